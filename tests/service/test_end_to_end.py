"""The whole service over a socket: real documents, index, model and records."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from configs.load import HOSPITAL, load_settings
from ingest.models import ModelError, locate
from ingest.remote import RemoteIngest
from ingest.sources import discover
from service.app import create_app
from service.build import build
from tests.service.conftest import PUBLIC_DOCUMENTS, data_folder
from tests.service.scripted import ADMIN_KEY, named, posted, served, wait_until

QUESTION = "When can I visit the general wards?"
BASE = {"layers": {"adapter": "off"}, "sampling": {"max_tokens": 40}}
EMERGENCY = "My father suddenly has chest pain and can't breathe!"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, derived: Path) -> Iterator[httpx.Client]:
    folder = data_folder(tmp_path_factory.mktemp("service"), derived)
    environment = {
        "TRIPTYCH__DATA__FOLDER": str(folder),
        "TRIPTYCH__LAYERS__ADAPTER__SWITCH": '"off"',
        "TRIPTYCH__ENGINE__SLOTS": "2",
    }
    settings = load_settings(HOSPITAL, environment).settings
    try:
        locate(settings.engine.base.model, settings.engine.base.sha256)
    except ModelError as error:
        pytest.skip(str(error))
    app = create_app(build(settings), admin_key=ADMIN_KEY, heartbeat_seconds=0.2)
    with served(app, shutdown_seconds=1) as client:
        client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        documents = tmp_path_factory.mktemp("documents")
        for name, text in PUBLIC_DOCUMENTS.items():
            (documents / name).write_text(text, encoding="utf-8")
        list(RemoteIngest(client, "hospital").sync(discover([documents]), prune=False, labels=None))
        yield client


def test_the_service_is_ready(client: httpx.Client) -> None:
    assert client.get("/ready").json()["status"] == "ok"


def test_an_answer_comes_with_its_passages_and_says_what_made_it(client: httpx.Client) -> None:
    answer = client.post("/chat", json={"question": QUESTION, **BASE}).json()
    assert answer["answer"]
    assert answer["sources"][0]["source"] == "visiting.md"
    acted = answer["manifest"]["acted"]
    assert (acted["prompt"], acted["retrieval"], acted["adapter"]) == ("house@1", "hospital", None)
    assert answer["manifest"]["engine"] == "openvino"
    assert answer["manifest"]["tokens"]["completion"] > 0


@pytest.mark.parametrize("prompt", ["on", "off"])
@pytest.mark.parametrize("retrieval", ["on", "off"])
def test_every_combination_answers_with_exactly_the_layers_asked_for(
    client: httpx.Client, prompt: str, retrieval: str
) -> None:
    layers = {"prompt": prompt, "retrieval": retrieval, "adapter": "off"}
    body = {"question": QUESTION, "layers": layers, "sampling": {"max_tokens": 10}}
    answer = client.post("/chat", json=body).json()
    acted = answer["manifest"]["acted"]
    assert (acted["prompt"] is not None, acted["retrieval"] is not None) == (
        prompt == "on",
        retrieval == "on",
    )
    assert bool(answer["sources"]) is (retrieval == "on")


def test_a_stream_adds_up_to_its_answer(client: httpx.Client) -> None:
    events = named(client.post("/chat", json={"question": QUESTION, "stream": True, **BASE}).text)
    names = [name for name, _ in events]
    assert (names[:2], names[-2:]) == (["meta", "sources"], ["usage", "done"])
    assert "".join(data["text"] for name, data in events if name == "delta") == events[-1][1]["answer"]


def test_a_follow_up_is_searched_with_its_conversation(client: httpx.Client) -> None:
    first = client.post("/chat", json={"question": QUESTION, **BASE}).json()
    body = {"question": "And on Sundays?", "conversation_id": first["conversation_id"], **BASE}
    second = client.post("/chat", json=body).json()
    assert second["sources"][0]["place"] == "Visiting hours > Sundays and holidays"
    stored = client.get(f"/conversations/{first['conversation_id']}").json()
    assert [message["question"] for message in stored["messages"]] == [QUESTION, "And on Sundays?"]
    assert client.post(f"/messages/{second['message_id']}/feedback", json={"rating": "up"}).is_success


@pytest.mark.parametrize("switch", ["on", "off"])
def test_an_emergency_is_handed_off_whatever_the_switches(client: httpx.Client, switch: str) -> None:
    layers = {"prompt": switch, "retrieval": switch}
    answer = client.post("/chat", json={"question": EMERGENCY, "layers": layers}).json()
    assert answer["manifest"]["path"] == "emergency"
    assert "911" in answer["answer"]


def test_an_unknown_adapter_makes_no_answer(client: httpx.Client) -> None:
    response = client.post("/chat", json={"question": QUESTION, "layers": {"adapter": "nobody@9"}})
    assert response.status_code == 422
    assert response.json()["type"] == "/problems/unknown-layer"


def test_openais_client_gets_the_same_answer(client: httpx.Client) -> None:
    native = client.post("/chat", json={"question": QUESTION, **BASE}).json()
    openai = OpenAI(base_url=f"{client.base_url}/v1", api_key="none", max_retries=0)
    asked: Any = [{"role": "user", "content": QUESTION}]
    completion = openai.chat.completions.create(model="triptych-base", messages=asked, max_tokens=40)
    message = completion.choices[0].message
    assert message.content == native["answer"]
    assert (message.model_extra or {})["triptych"]["manifest"]["acted"] == native["manifest"]["acted"]
    assert "triptych-base" in [model.id for model in openai.models.list()]


def test_hanging_up_frees_the_place_and_records_nothing(client: httpx.Client) -> None:
    started = client.post("/chat", json={"question": QUESTION, **BASE}).json()
    long = {"question": "Tell me more.", "conversation_id": started["conversation_id"]}
    body = {**long, "layers": {"retrieval": "off"}, "sampling": {"max_tokens": 1500}}
    with posted(client, "/chat", body):
        wait_until(lambda: gauge(client) == 1)
    wait_until(lambda: gauge(client) == 0)
    stored = client.get(f"/conversations/{started['conversation_id']}").json()
    assert len(stored["messages"]) == 1


def gauge(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("triptych_running_answers "))


def test_search_finds_the_passage(client: httpx.Client) -> None:
    found = client.post("/search", json={"query": "parking cost", "limit": 1}).json()
    assert [passage["source"] for passage in found["passages"]] == ["parking.md"]
