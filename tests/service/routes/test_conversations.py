"""Conversations and feedback over HTTP, kept in a real database."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.prompt import Turn
from ingest.database import Database, library_url
from service.records import Records
from tests.service.scripted import MANIFEST, ScriptedChatbot, running


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with closing(Records(Database(library_url(None, tmp_path)))) as records:
        yield records


@pytest.fixture
def client(records: Records) -> Iterator[httpx.Client]:
    chatbot = ScriptedChatbot()
    chatbot.records = records
    with running(chatbot) as client:
        yield client


@pytest.fixture
def conversation(records: Records) -> str:
    """A conversation of ann's with one answer, m1."""
    records.store_answer("m1", "talk", "ann", Turn("When?", "From 2 to 8 pm [1]."), MANIFEST)
    return "talk"


def test_a_conversation_has_its_answers_manifests_and_feedback(client: httpx.Client, conversation: str) -> None:
    body = {"message_id": "m1", "rating": "down", "reason": "Sundays differ."}
    assert client.post("/feedback", json=body).status_code == 204
    found = client.get(f"/conversations/{conversation}", params={"user": "ann"}).json()
    [message] = found["messages"]
    assert (message["question"], message["answer"]) == ("When?", "From 2 to 8 pm [1].")
    assert message["manifest"]["acted"]["prompt"] == "house@1"
    assert (message["feedback"]["rating"], message["feedback"]["reason"]) == ("down", "Sundays differ.")


@pytest.mark.parametrize("params", [{}, {"user": "bob"}])
def test_another_users_conversation_looks_like_none(
    client: httpx.Client, conversation: str, params: dict[str, str]
) -> None:
    other = client.get(f"/conversations/{conversation}", params=params)
    none = client.get("/conversations/nothing", params=params)
    assert other.status_code == none.status_code == 404
    assert other.json()["type"] == none.json()["type"] == "/problems/unknown-conversation"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"message_id": "m2", "rating": "up"}, 404),
        ({"message_id": "m1", "rating": "maybe"}, 422),
        ({"message_id": "m1"}, 422),
        ({"message_id": "m1", "rating": "up", "reason": "a" * 2001}, 422),
        ({"message_id": "m1", "rating": "up", "stars": 5}, 422),
    ],
)
def test_wrong_feedback_is_refused_and_kept_nowhere(
    client: httpx.Client, records: Records, conversation: str, body: dict[str, Any], status: int
) -> None:
    assert client.post("/feedback", json=body).status_code == status
    assert records.conversation(conversation, "ann").messages[0].feedback is None
