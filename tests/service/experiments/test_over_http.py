"""Sticky arms and targeting through the whole service over a socket, closed and opened again in between."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import BadRequestError, OpenAI

from configs.slot import Slot
from ingest.corpus import Corpus
from ingest.database import Database, library_url
from service.answer import Chatbot
from service.app import create_app
from service.experiments.assign import Arm, Experiment
from service.experiments.units import units_of
from service.records import Records
from tests.service.parts import chatbot
from tests.service.scripted import ADMIN_KEY, served

USERS = [f"user-{number}" for number in range(12)]
QUESTION = "When can I visit the general wards?"
HALVES = Experiment("spring", "adapter", "s", 1.0, (Arm("old", "off", 0.5), Arm("new", "on", 0.5)))
SPANISH = replace(HALVES, slot=Slot(only={"language": ("es",)}))


@contextmanager
def service(
    corpus: Corpus, folder: Path, *experiments: Experiment, database: str | None = None
) -> Iterator[httpx.Client]:
    """Everything is real but the engine; the records stay in the folder, or in the database."""
    folder.mkdir(exist_ok=True)
    bot = chatbot(corpus, folder, experiments=experiments)
    if database is not None:
        bot.records.close()
        bot = replace(bot, records=Records(Database(library_url(database, folder))))

    @asynccontextmanager
    async def opened() -> AsyncIterator[Chatbot]:
        with closing(bot.records), bot.owner:
            yield bot

    with served(create_app(opened(), admin_key=ADMIN_KEY), shutdown_seconds=1) as client:
        yield client


def manifest(client: httpx.Client, user: str, question: str = QUESTION, **body: Any) -> dict[str, Any]:
    answer = client.post("/chat", json={"question": question, "user": user, **body}).raise_for_status()
    found: dict[str, Any] = answer.json()["manifest"]
    return found


def arms(client: httpx.Client, **body: Any) -> dict[str, str | None]:
    return {user: manifest(client, user, **body)["experiments"].get("spring") for user in USERS}


def records_text(folder: Path) -> str:
    """All that the database holds, with what was not yet moved from its log."""
    files = folder.glob("library.db*")
    return b"".join(file.read_bytes() for file in files).decode(errors="replace")


def test_nobody_flips_when_shares_change_over_a_restart(corpus: Corpus, tmp_path: Path) -> None:
    with service(corpus, tmp_path, HALVES) as client:
        first = arms(client)
        assert set(first.values()) == {"old", "new"}
    most = (replace(HALVES.arms[0], share=0.01), replace(HALVES.arms[1], share=0.99))
    with service(corpus, tmp_path, replace(SPANISH, arms=most, coverage=0.0)) as client:
        assert arms(client) == first
        assert manifest(client, "new-user")["experiments"] == {}
    with service(corpus, tmp_path, replace(HALVES, arms=most, bucket_version=1)) as client:
        again = arms(client)
        assert list(again.values()).count("new") > list(first.values()).count("new")
        assert manifest(client, USERS[0])["bucket_versions"] == {"spring": 1}
    with service(corpus, tmp_path, replace(HALVES, bucket_version=1, min_bucket_version=1)) as client:
        assert set(arms(client).values()) == {None}
        assert manifest(client, "new-user")["origins"]["adapter"] == "experiment:spring"


def test_every_service_of_a_database_follows_at_its_next_request(
    corpus: Corpus, tmp_path: Path, postgres_url: str
) -> None:
    waiting = replace(HALVES, active=False)
    with (
        service(corpus, tmp_path / "one", waiting, database=postgres_url) as one,
        service(corpus, tmp_path / "two", waiting, database=postgres_url) as two,
        closing(Records(Database(library_url(postgres_url, tmp_path)))) as records,
    ):
        assert [manifest(client, "ann")["experiments"] for client in (one, two)] == [{}, {}]
        records.experiments.start("spring", (waiting,), "Ada")
        arms = [manifest(client, "ann")["experiments"] for client in (one, two)]
        assert arms[0] == arms[1] and arms[0].keys() == {"spring"}
        records.experiments.stop("spring", (waiting,), "Ada")
        assert [manifest(client, "ann")["experiments"] for client in (one, two)] == [{}, {}]


def test_an_arm_that_is_gone_counts_no_more(corpus: Corpus, tmp_path: Path) -> None:
    three = replace(HALVES, arms=(Arm("old", "off", 0.3), Arm("new", "on", 0.3), Arm("gone", "style@2", 0.4)))
    with service(corpus, tmp_path, three) as client:
        before = arms(client)
    with service(corpus, tmp_path, HALVES) as client:
        after = arms(client)
    assert "gone" in before.values()
    assert {user: arm for user, arm in before.items() if arm != "gone"}.items() <= after.items()
    with closing(Records(Database(library_url(None, tmp_path)))) as records:
        units, crossed = units_of(records.outcomes("spring"), ["old", "new"])
    assert ({unit.name: unit.arm for unit in units}, crossed) == (after, 0)


def test_attributes_choose_who_is_taken_and_are_kept_nowhere(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoken = {"language": "es", "ward": "ward-cedar-4711"}
    caplog.set_level(logging.DEBUG)
    with service(corpus, tmp_path, SPANISH) as client:
        assert manifest(client, "ann")["experiments"] == {}
        assert manifest(client, "ann", attributes={"language": "en"})["experiments"] == {}
        [arm] = manifest(client, "ann", attributes=spoken)["experiments"].values()
        # Taken once, the user stays, whatever the next request says.
        assert manifest(client, "ann")["experiments"] == {"spring": arm}
        refused = client.post("/chat", json={"question": QUESTION, "attributes": {"ward": "w" * 81}})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/attributes/ward")
        assert "ward-cedar-4711" not in records_text(tmp_path) + caplog.text


def test_attributes_come_with_openais_client(corpus: Corpus, tmp_path: Path) -> None:
    asked: Any = [{"role": "user", "content": QUESTION}]
    with service(corpus, tmp_path, SPANISH) as client:
        openai = OpenAI(base_url=f"{client.base_url}/v1", api_key="none", max_retries=0)

        def experiments(extra: dict[str, Any]) -> Any:
            made = openai.chat.completions.create(
                model="triptych", messages=asked, user="bob", extra_body={"triptych": extra}
            )
            return (made.choices[0].message.model_extra or {})["triptych"]["manifest"]["experiments"]

        assert experiments({"attributes": {"language": "en"}}) == {}
        assert set(experiments({"attributes": {"language": "es"}})) == {"spring"}
        with pytest.raises(BadRequestError, match="attributes"):
            experiments({"attributes": {"language": 4}})


def test_an_override_is_not_counted_and_an_emergency_exposes_nobody(corpus: Corpus, tmp_path: Path) -> None:
    with service(corpus, tmp_path, HALVES) as client:
        assert manifest(client, "ann", layers={"adapter": "off"})["experiments"] == {}
        urgent = manifest(client, "ann", "He is not breathing!")
        assert (urgent["path"], urgent["experiments"]) == ("emergency", {})
        [arm] = manifest(client, "ann")["experiments"].values()
        assert manifest(client, "ann", "He is not breathing!")["path"] == "emergency"
        assert manifest(client, "ann")["experiments"] == {"spring": arm}
