"""POST /decide over HTTP: a decision as a document, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.deciding import KNEE, decider, decision_embedder
from tests.service.scripted import ADMIN_KEY, ScriptedChatbot, running


@pytest.fixture(scope="module")
def client(model_folder: Path) -> Iterator[httpx.Client]:
    chatbot = ScriptedChatbot()
    chatbot.decider = decider(decision_embedder(model_folder))
    with running(chatbot) as client:
        yield client


def test_a_decision_tells_rule_probability_records_and_what_acted(client: httpx.Client) -> None:
    answer = client.post("/decide", json=KNEE).json()
    assert (answer["decision"], answer["reason_code"], answer["refer_to_person"]) == ("approved", "A2", False)
    assert 0.7 < answer["probability"] < 1
    assert len(answer["similar"]) == 5
    assert answer["similar"][0]["similarity"] >= answer["similar"][-1]["similarity"]
    assert answer["manifest"]["acted"] == {"prompt": None, "retrieval": "records", "adapter": "head"}


def test_layers_are_switched_as_in_a_chat(client: httpx.Client) -> None:
    body = KNEE | {"layers": {"retrieval": False, "adapter": "off"}}
    answer = client.post("/decide", json=body).json()
    assert answer["similar"] == []
    assert answer["manifest"]["acted"] == {"prompt": "decide@1", "retrieval": None, "adapter": None}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"name": "Ann"}, "invalid-request"),
        ({"age": "7"}, "invalid-request"),
        ({"note": "a\x00"}, "invalid-request"),
        ({"service": "haircut"}, "invalid-request"),
        ({"service": "PET scan"}, "invalid-request"),
        ({"layers": {"prompt": "on"}}, "adapter-refused"),
        ({"layers": {"adapter": "house-style"}}, "unknown-layer"),
    ],
)
def test_wrong_requests_are_refused_with_a_problem(client: httpx.Client, change: dict[str, Any], kind: str) -> None:
    response = client.post("/decide", json=KNEE | change)
    assert (response.status_code, response.json()["type"]) == (422, f"/problems/{kind}")
    assert response.headers["content-type"] == "application/problem+json"


def test_with_real_records_the_admin_key_is_needed(model_folder: Path) -> None:
    chatbot = ScriptedChatbot()
    chatbot.decider = decider(decision_embedder(model_folder), open=False)
    with running(chatbot) as client:
        assert client.post("/decide", json=KNEE).status_code == 401
        key = {"Authorization": f"Bearer {ADMIN_KEY}"}
        assert client.post("/decide", json=KNEE, headers=key).status_code == 200


def test_a_pack_without_decisions_says_so() -> None:
    with running(ScriptedChatbot()) as client:
        response = client.post("/decide", json=KNEE)
    assert response.status_code == 404
    assert "decisions.folder" in response.json()["detail"]
