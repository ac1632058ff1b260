"""Streams over real sockets: what the client reads, and what stops when it leaves."""

import asyncio
import json
import threading
import time
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect

from adapters.engines.protocol import AdapterRefused, EngineBusy
from service.events import Delta
from service.streaming import frame, unless_disconnected
from tests.service.scripted import GOOD_ANSWER, ScriptedChatbot, Step, named, posted, running, wait_until

META, SOURCES, *_ = GOOD_ANSWER
FOREVER = 600.0
QUESTION = {"question": "When can I visit?"}
STREAM = {**QUESTION, "stream": True}
# Where an answer can be when its client leaves; each goes on for minutes if nobody stops it.
WRITING: list[Step] = [Delta("more "), 0.02]
PLACES: dict[str, tuple[Step, ...]] = {
    "nothing was sent": (FOREVER,),
    "the prompt is being read": (META, SOURCES, FOREVER),
    "text is being written": (META, SOURCES, *(WRITING * 5000)),
}


def test_a_stream_tells_the_answer_in_order_and_ends_with_done() -> None:
    with running(ScriptedChatbot()) as client:
        response = client.post("/chat", json=STREAM)
    events = named(response.text)
    names = ["meta", "sources", "delta", "citation", "delta", "usage", "done"]
    assert [name for name, _ in events] == names
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert "".join(data["text"] for name, data in events if name == "delta") == events[-1][1]["answer"]


@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["json", "stream"])
@pytest.mark.parametrize("place", PLACES)
def test_the_answer_stops_when_its_client_leaves(place: str, body: dict[str, Any]) -> None:
    chatbot = ScriptedChatbot(*PLACES[place])
    with running(chatbot, max_concurrent_answers=1) as client:
        with posted(client, "/chat", body):
            wait_until(lambda: chatbot.questions)
        assert chatbot.closed.wait(5)
        chatbot.script = GOOD_ANSWER
        assert client.post("/chat", json=QUESTION).status_code == 200, "the place was not given back"


def test_the_answer_stops_when_its_reader_closes_the_stream() -> None:
    chatbot = ScriptedChatbot(*PLACES["text is being written"])
    with running(chatbot) as client:
        with client.stream("POST", "/chat", json=STREAM) as response:
            assert next(response.iter_lines()) == "event: meta"
        assert chatbot.closed.wait(5)
    assert chatbot.yielded < 5000


def test_a_client_that_does_not_read_holds_the_answer_back() -> None:
    chatbot = ScriptedChatbot(META, *([Delta("x" * 65536)] * 3000))
    with running(chatbot) as client:
        with posted(client, "/chat", STREAM):
            assert settled(chatbot) < 1000
        assert chatbot.closed.wait(5)


def settled(chatbot: ScriptedChatbot) -> int:
    """How many events were taken from the answer when no more are taken."""
    before = -1
    while chatbot.yielded != before or before < 1:
        before = chatbot.yielded
        time.sleep(0.2)
    return before


def test_heartbeats_fill_a_silence() -> None:
    with running(ScriptedChatbot(META, 0.4, *GOOD_ANSWER[1:]), heartbeat_seconds=0.05) as client:
        text = client.post("/chat", json=STREAM).text
    start, end = text.index("event: meta"), text.index("event: delta")
    assert text[start:end].count(": still working\n\n") >= 2
    assert named(text)[-1][0] == "done"


def test_an_error_before_the_first_event_has_a_status_of_its_own() -> None:
    with running(ScriptedChatbot(EngineBusy("All slots are taken."))) as client:
        response = client.post("/chat", json=STREAM)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert response.json()["type"] == "/problems/overloaded"


def test_an_error_after_the_first_event_is_the_last_event() -> None:
    refused = AdapterRefused("The adapter house-style@2 did not act.")
    with running(ScriptedChatbot(META, SOURCES, Delta("From"), refused)) as client:
        events = named(client.post("/chat", json=STREAM).text)
    assert [name for name, _ in events] == ["meta", "sources", "delta", "error"]
    assert events[-1][1]["detail"] == "The adapter house-style@2 did not act."
    assert events[-1][1]["status"] == 422


def test_an_error_after_a_heartbeat_is_the_last_event() -> None:
    with running(ScriptedChatbot(0.3, EngineBusy("No slot.")), heartbeat_seconds=0.05) as client:
        response = client.post("/chat", json=STREAM)
    assert response.status_code == 200
    assert [name for name, _ in named(response.text)] == ["error"]


def test_an_unexpected_error_tells_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    with running(ScriptedChatbot(META, RuntimeError("the patient's secret"))) as client:
        text = client.post("/chat", json=STREAM).text
    assert named(text)[-1][1]["type"] == "/problems/internal-error"
    assert "secret" not in text
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_streams_that_outlast_the_service_end_with_an_error_event() -> None:
    chatbot = ScriptedChatbot(META, FOREVER)
    chatbot.cleanup_seconds = 0.3
    texts: list[str] = []
    with running(chatbot, shutdown_seconds=0) as client:
        url = str(client.base_url.join("/chat"))
        reader = threading.Thread(target=lambda: texts.append(httpx.post(url, json=STREAM, timeout=10).text))
        reader.start()
        wait_until(lambda: chatbot.yielded)
    reader.join(10)
    assert chatbot.endings == ["answer", "chatbot"]
    assert [name for name, _ in named(texts[0])] == ["meta", "error"]
    assert named(texts[0])[-1][1]["type"] == "/problems/shutting-down"


def test_a_frame_is_one_line_of_data_whatever_the_text() -> None:
    written = frame({"text": "one\ntwo\r\n\ndata: three\u2028\ud800"}, "delta").decode()
    name, data, *rest = written.split("\n")
    assert (name, rest) == ("event: delta", ["", ""])
    assert json.loads(data.removeprefix("data: "))["text"] == "one\ntwo\r\n\ndata: three\u2028?"


def test_work_is_cancelled_and_cleaned_up_when_the_client_leaves() -> None:
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    async def receive() -> dict[str, str]:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        asyncio.run(unless_disconnected(receive, work()))
    assert cleaned == [True]
