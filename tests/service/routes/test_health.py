"""Alive, ready, counted."""

import pytest

from tests.service.scripted import ScriptedChatbot, running


def test_a_working_service_is_alive_and_ready() -> None:
    with running(ScriptedChatbot()) as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/ready").json()["components"] == {"library": "ok", "engine": "ok"}


def test_a_broken_part_is_named_but_the_process_lives() -> None:
    chatbot = ScriptedChatbot()
    chatbot.components = {"library": "ok", "engine": "the model is missing"}
    with running(chatbot) as client:
        assert client.get("/health").status_code == 200
        response = client.get("/ready")
    assert response.status_code == 503
    assert response.json()["components"]["engine"] == "the model is missing"
    assert "retry-after" in response.headers


def test_a_monitor_may_ask_with_head() -> None:
    chatbot = ScriptedChatbot()
    with running(chatbot) as client:
        for path in ("/health", "/ready", "/"):
            response = client.head(path)
            assert (response.status_code, response.content) == (200, b"")
        chatbot.components = {"engine": "the model is missing"}
        assert client.head("/ready").status_code == 503


def test_all_places_taken_fails_no_probe() -> None:
    chatbot = ScriptedChatbot(600.0)
    body = {"question": "?", "stream": True}
    with (
        running(chatbot, max_concurrent_answers=1, heartbeat_seconds=0.01) as client,
        client.stream("POST", "/chat", json=body) as held,
    ):
        lines = held.iter_lines()
        assert next(lines) == ": still working"
        assert client.get("/ready").status_code == 200


def test_a_search_without_the_index_is_counted_and_fails_no_probe() -> None:
    chatbot = ScriptedChatbot()
    with running(chatbot) as client:
        for degraded in (True, False):
            chatbot.corpus.index.degraded = degraded
            assert f"triptych_index_degraded {degraded:.1f}" in client.get("/metrics").text.splitlines()
            assert client.get("/ready").status_code == 200


@pytest.mark.parametrize("name", ["triptych_requests_total", "triptych_running_answers"])
def test_metrics_are_in_the_text_format(name: str) -> None:
    with running(ScriptedChatbot()) as client:
        response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert f"# TYPE {name} " in response.text
