"""POST /chat: answers as JSON, and every way to ask wrongly."""

import gzip
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.events import Citation, Delta, Done
from service.plan import Layers, Manifest
from service.schemas import ChatRequest
from tests.service.scripted import GOOD_ANSWER, MANIFEST, ScriptedChatbot, running

META, SOURCES, *_ = GOOD_ANSWER
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def chatbot() -> ScriptedChatbot:
    return ScriptedChatbot()


@pytest.fixture(scope="module")
def client(chatbot: ScriptedChatbot) -> Any:
    with running(chatbot, max_body_bytes=20_000, max_question_characters=100) as client:
        yield client


def asked(**changes: Any) -> bytes:
    return json.dumps({"question": "When can I visit?", **changes}).encode()


def test_an_answer_has_its_sources_citations_and_manifest(client: httpx.Client) -> None:
    answer = client.post("/chat", json={"question": "When can I visit?"}).json()
    assert answer["answer"] == "From 2 to 8 pm [1]."
    assert answer["sources"] == [
        {
            "number": 1,
            "title": "Visiting",
            "place": "Visiting > Hours",
            "source": "guides/visiting.md",
            "text": "Visitors are welcome from 2 to 8 pm.",
            "score": 0.8,
            "cited": True,
        }
    ]
    assert answer["citations"] == [1]
    assert (answer["message_id"], answer["conversation_id"]) == ("m1", "conversation1")
    assert Manifest(**answer["manifest"]).tokens == MANIFEST.tokens


def test_a_source_that_was_not_cited_says_so() -> None:
    plain = ScriptedChatbot(META, SOURCES, Delta("Ask the ward."), Done("Ask the ward.", MANIFEST))
    with running(plain) as client:
        answer = client.post("/chat", json={"question": "When?"}).json()
    assert answer["citations"] == []
    assert answer["sources"][0]["cited"] is False


@pytest.mark.parametrize(
    ("switch", "expected"), [(False, None), ("off", None), (True, "hospital"), ("on", "hospital")]
)
def test_a_switch_may_be_a_boolean_or_a_word(
    client: httpx.Client, chatbot: ScriptedChatbot, switch: object, expected: str | None
) -> None:
    client.post("/chat", json={"question": "When?", "layers": {"retrieval": switch}})
    assert chatbot.plans[-1].layers == Layers("house@1", expected, "house-style@2")


def test_sampling_conversation_and_user_reach_the_answer(client: httpx.Client, chatbot: ScriptedChatbot) -> None:
    sampling = {"max_tokens": 9, "temperature": 0.7, "seed": 4}
    body = {"question": "And then?", "conversation_id": "c-1", "user": "u-7", "sampling": sampling}
    assert client.post("/chat", json=body).status_code == 200
    question, plan = chatbot.questions[-1], chatbot.plans[-1]
    assert (question.conversation_id, question.user) == ("c-1", "u-7")
    assert (plan.max_tokens, plan.temperature, plan.seed) == (9, 0.7, 4)


def test_the_accept_header_asks_for_a_stream_too(client: httpx.Client) -> None:
    response = client.post("/chat", content=asked(), headers={**JSON, "Accept": "text/event-stream"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "event: done" in response.text


def test_one_answer_too_many_is_refused_at_once() -> None:
    chatbot = ScriptedChatbot(META, 600.0)
    with running(chatbot, max_concurrent_answers=1) as client:
        body = {"question": "When?", "stream": True}
        with client.stream("POST", "/chat", json=body) as first:
            lines = first.iter_lines()
            assert next(lines) == "event: meta"
            response = client.post("/chat", json={"question": "And me?"})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert response.json()["type"] == "/problems/overloaded"


def test_an_emergency_is_handed_off_though_all_places_are_taken() -> None:
    chatbot = ScriptedChatbot(META, 600.0)
    with (
        running(chatbot, max_concurrent_answers=1) as client,
        client.stream("POST", "/chat", json={"question": "When?", "stream": True}) as first,
        client.stream("POST", "/chat", json={"question": "help", "stream": True}) as urgent,
    ):
        assert next(first.iter_lines()) == "event: meta"
        assert next(urgent.iter_lines()) == "event: meta"


WRONG: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no body": (b"", JSON, 422, "#"),
    "not JSON": (b'{"question": ', JSON, 400, ""),
    "not UTF-8": (b'{"question": "\xff"}', JSON, 400, "UTF-8"),
    "too deep": (b"[" * 15_000, JSON, 400, "levels deep"),
    "a number of 9,000 digits": (b'{"question": ' + b"1" * 9000 + b"}", JSON, 400, "thousands of digits"),
    "a list": (b"[]", JSON, 422, "#"),
    "null": (b"null", JSON, 422, "#"),
    "a form": (b"question=When", {"Content-Type": "application/x-www-form-urlencoded"}, 415, ""),
    "plain text": (b'{"question": "When?"}', {"Content-Type": "text/plain"}, 415, ""),
    "no content type": (b'{"question": "When?"}', {}, 415, ""),
    "too large": (asked(user="u" * 30_000), JSON, 413, ""),
    "no question": (b"{}", JSON, 422, "/question"),
    "a blank question": (asked(question=" \n"), JSON, 422, "/question"),
    "a question that is a number": (asked(question=5), JSON, 422, "/question"),
    "a question over the limit": (asked(question="a" * 101), JSON, 422, ""),
    "a NUL character": (asked(question="When\0?"), JSON, 422, "/question"),
    "an escape character": (asked(question="When\x1b[2J?"), JSON, 422, "/question"),
    "half a character": (rb'{"question": "\ud800"}', JSON, 422, "/question"),
    "an unknown field": (asked(top_k=3), JSON, 422, "/top_k"),
    "an unknown field of half a character": (rb'{"question": "?", "\ud800": 1}', JSON, 422, "#"),
    "an unknown layer": (asked(layers={"rerank": True}), JSON, 422, "/layers/rerank"),
    "a switch that is a number": (asked(layers={"prompt": 1}), JSON, 422, "/layers/prompt"),
    "a switch that is a path": (asked(layers={"prompt": "../x"}), JSON, 422, "/layers/prompt"),
    "an unknown adapter": (asked(layers={"adapter": "nobody@1"}), JSON, 422, ""),
    "sampling that is a word": (asked(sampling="hot"), JSON, 422, "/sampling"),
    "a temperature of 3": (asked(sampling={"temperature": 3}), JSON, 422, "/sampling/temperature"),
    "a temperature of NaN": (b'{"question":"?","sampling":{"top_p":NaN}}', JSON, 422, "/sampling/top_p"),
    "a seed that is a fraction": (asked(sampling={"seed": 1.5}), JSON, 422, "/sampling/seed"),
    "a conversation with a slash": (asked(conversation_id="../1"), JSON, 422, "/conversation_id"),
    "a user beyond ASCII": (asked(user="Zoë"), JSON, 422, "/user"),
    "stream as a word": (asked(stream="yes"), JSON, 422, "/stream"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_a_problem_and_changes_nothing(
    client: httpx.Client, chatbot: ScriptedChatbot, case: str
) -> None:
    body, headers, status, pointer = WRONG[case]
    before = len(chatbot.questions)
    response = client.post("/chat", content=body, headers=headers)
    problem = response.json()
    assert response.status_code == problem["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"].startswith("/problems/")
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert pointer in str(problem.get("errors", "")) + problem["detail"]
    assert len(chatbot.questions) == before


def test_every_wrong_field_is_listed(client: httpx.Client) -> None:
    body = asked(question="", stream=3, layers={"prompt": []}, sampling={"seed": -1}, extra=1)
    errors = client.post("/chat", content=body, headers=JSON).json()["errors"]
    places = {error["pointer"] for error in errors}
    assert places == {"#/question", "#/stream", "#/layers/prompt", "#/sampling/seed", "#/extra"}


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [("GET", "/chats", 404, "not-found"), ("GET", "/chat", 405, "method-not-allowed")],
)
def test_wrong_paths_and_methods_are_problems_too(
    client: httpx.Client, method: str, path: str, status: int, name: str
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["type"] == f"/problems/{name}"
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/chat", "POST"),
        ("/messages/m1/feedback", "GET, POST"),
        ("/admin/documents", "GET, POST"),
        ("/admin/documents/guides/visiting.md", "GET, DELETE"),
    ],
)
def test_a_wrong_method_is_told_all_right_ones(client: httpx.Client, path: str, methods: str) -> None:
    assert client.put(path).headers["allow"] == methods


def test_a_compressed_body_is_told_that_it_is(client: httpx.Client) -> None:
    compressed = gzip.compress(asked())
    refused = client.post("/chat", content=compressed, headers={**JSON, "Content-Encoding": "gzip"})
    assert refused.status_code == 400
    assert "not compressed" in refused.json()["detail"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.sampled_from([*ChatRequest.model_fields, "other"]), JSON_VALUES, max_size=5)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_any_json_is_answered_or_refused_but_never_a_failure(client: httpx.Client, body: Any) -> None:
    response = client.post("/chat", content=json.dumps(body), headers=JSON)
    assert response.status_code in (200, 422)
    if response.status_code == 422:
        assert response.json()["type"] in ("/problems/invalid-request", "/problems/unknown-layer")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_any_bytes_are_refused(client: httpx.Client, body: bytes) -> None:
    response = client.post("/chat", content=body, headers=JSON)
    assert response.status_code in (400, 422)


def test_citations_are_sorted_by_number() -> None:
    script = (META, SOURCES, Citation(2, "c2"), Citation(1, "c1"), Done("[2] [1]", MANIFEST))
    with running(ScriptedChatbot(*script)) as client:
        assert client.post("/chat", json={"question": "?"}).json()["citations"] == [1, 2]
