"""POST /search over HTTP; what it finds is retrieval's matter."""

from typing import Any

import pytest

from tests.service.scripted import ScriptedChatbot, running


def test_passages_are_numbered_and_have_their_text() -> None:
    with running(ScriptedChatbot()) as client:
        found = client.post("/search", json={"query": "visiting hours", "limit": 3}).json()
    assert found["query"] == "visiting hours"
    assert found["degraded"] is False
    assert [(each["number"], each["place"]) for each in found["passages"]] == [(1, "Visiting > Hours")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": "a", "limit": 0},
        {"query": "a", "collection": "../b"},
        {"query": "a" * 99},
    ],
)
def test_wrong_searches_are_refused(body: dict[str, Any]) -> None:
    with running(ScriptedChatbot(), max_question_characters=50) as client:
        response = client.post("/search", json=body)
    assert response.status_code == 422
    assert response.json()["type"] == "/problems/invalid-request"


def test_searches_take_places_like_answers() -> None:
    with running(ScriptedChatbot(), max_concurrent_answers=0) as client:
        assert client.post("/search", json={"query": "visiting hours"}).status_code == 503
