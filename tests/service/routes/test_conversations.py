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


def say(client: httpx.Client, message_id: str = "m1", **body: Any) -> httpx.Response:
    return client.post(f"/messages/{message_id}/feedback", json={"user": "ann", **body})


def test_a_conversation_has_its_answers_manifests_and_the_latest_feedback(
    client: httpx.Client, conversation: str
) -> None:
    assert say(client, rating="up").status_code == 204
    assert say(client, rating="down", comment="Sundays differ.").status_code == 204
    found = client.get(f"/conversations/{conversation}", params={"user": "ann"}).json()
    [message] = found["messages"]
    assert (message["question"], message["answer"]) == ("When?", "From 2 to 8 pm [1].")
    assert message["manifest"]["acted"]["prompt"] == "house@1"
    assert (message["feedback"]["rating"], message["feedback"]["comment"]) == ("down", "Sundays differ.")


def test_all_that_was_said_of_an_answer_is_kept_with_every_part_of_it(
    client: httpx.Client, conversation: str
) -> None:
    whole: dict[str, Any] = {
        "rating": "down",
        "reasons": ["evidence_wrong", "unsafe"],
        "comment": "That is the page of another ward.",
        "corrected_answer": "From 10 to 6 pm.",
        "escalated": True,
        "follow_up_needed": True,
    }
    say(client, rating="up")
    say(client, **whole)
    first, second = client.get("/messages/m1/feedback", params={"user": "ann"}).json()["feedback"]
    assert (first["rating"], first["reasons"], first["escalated"]) == ("up", [], False)
    assert {name: second[name] for name in whole} == whole


def test_only_the_user_of_the_conversation_has_a_word_on_it(
    client: httpx.Client, records: Records, conversation: str
) -> None:
    for user in (None, "bob"):
        other, none = say(client, rating="up", user=user), say(client, "m2", rating="up", user=user)
        assert other.status_code == none.status_code == 404
        assert other.json()["type"] == none.json()["type"] == "/problems/unknown-message"
        assert other.json()["detail"].replace("m1", "m2") == none.json()["detail"]
        params = {"user": user} if user else {}
        assert client.get("/messages/m1/feedback", params=params).status_code == 404
    assert records.feedback("m1", "ann") == []


def test_who_asked_without_a_name_gives_feedback_without_one(client: httpx.Client, records: Records) -> None:
    records.store_answer("m3", "nameless", None, Turn("When?", "At noon."), MANIFEST)
    assert client.post("/messages/m3/feedback", json={"rating": "up"}).status_code == 204
    assert [word.rating for word in records.feedback("m3", None)] == ["up"]


@pytest.mark.parametrize("params", [{}, {"user": "bob"}])
def test_another_users_conversation_looks_like_none(
    client: httpx.Client, conversation: str, params: dict[str, str]
) -> None:
    other = client.get(f"/conversations/{conversation}", params=params)
    none = client.get("/conversations/nothing", params=params)
    assert other.status_code == none.status_code == 404
    assert other.json()["type"] == none.json()["type"] == "/problems/unknown-conversation"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"rating": "maybe"}, "#/rating"),
        ({}, "#/rating"),
        ({"rating": "down", "reasons": ["boring"]}, "#/reasons/0"),
        ({"rating": "down", "reasons": "unsafe"}, "#/reasons"),
        ({"rating": "up", "reasons": ["unsafe"]}, "#/reasons"),
        ({"rating": "up", "corrected_answer": "From 2."}, "#/corrected_answer"),
        ({"rating": "down", "corrected_answer": "  "}, "#/corrected_answer"),
        ({"rating": "down", "corrected_answer": "a" * 4001}, "#/corrected_answer"),
        ({"rating": "down", "comment": "a" * 2001}, "#/comment"),
        ({"rating": "down", "comment": "\x00"}, "#/comment"),
        ({"rating": "down", "escalated": "yes"}, "#/escalated"),
        ({"rating": "up", "stars": 5}, "#/stars"),
        ({"rating": "up", "user": "a b"}, "#/user"),
    ],
)
def test_wrong_feedback_is_refused_and_kept_nowhere(
    client: httpx.Client, records: Records, conversation: str, body: dict[str, Any], pointer: str
) -> None:
    refused = say(client, **body)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert records.feedback("m1", "ann") == []
