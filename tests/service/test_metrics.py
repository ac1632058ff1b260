"""What is counted, and that it is counted in the app's own registry."""

import httpx
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from adapters.engines.protocol import EngineError
from service.metrics import Metrics
from tests.service.scripted import GOOD_ANSWER, ScriptedChatbot, posted, running, wait_until


def counted(client: httpx.Client, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


def test_an_answer_is_counted_by_path_engine_and_acting_layers() -> None:
    with running(ScriptedChatbot()) as client:
        client.post("/chat", json={"question": "When?"})
        client.post("/chat", json={"question": "When?", "stream": True})
        acted = {"path": "model", "engine": "scripted", "prompt": "on", "retrieval": "on", "adapter": "on"}
        assert counted(client, "triptych_answers_total", **acted) == 2
        assert counted(client, "triptych_answers_total") == 2
        assert counted(client, "triptych_tokens_total", kind="prompt") == 240
        assert counted(client, "triptych_first_token_seconds_count") == 2
        assert counted(client, "triptych_stage_seconds_sum", stage="retrieve") == 0.024
        assert counted(client, "triptych_answer_ends_total", end="done") == 2


def test_requests_are_counted_by_pattern_not_by_path() -> None:
    with running(ScriptedChatbot()) as client:
        for name in ("a", "b", "c"):
            client.get(f"/v1/models/{name}")
            client.get(f"/{name}")
        assert counted(client, "triptych_requests_total", route="/v1/models/{name}", status="404") == 3
        assert counted(client, "triptych_requests_total", route="other", status="404") == 3


def test_failed_and_stopped_answers_are_told_apart() -> None:
    chatbot = ScriptedChatbot(EngineError("broken"))
    with running(chatbot) as client:
        client.post("/chat", json={"question": "When?"})
        chatbot.script = (GOOD_ANSWER[0], 600.0)
        with posted(client, "/chat", {"question": "When?"}):
            wait_until(lambda: chatbot.yielded)
            assert counted(client, "triptych_running_answers") == 1
        wait_until(lambda: counted(client, "triptych_running_answers") == 0)
        assert counted(client, "triptych_answer_ends_total", end="failed") == 1
        assert counted(client, "triptych_answer_ends_total", end="stopped") == 1
        assert counted(client, "triptych_requests_total", route="/chat", status="499") == 1


def test_every_app_has_metrics_of_its_own() -> None:
    first, second = Metrics(), Metrics()
    first.request("GET", "/health", 200)
    assert b'route="/health"' in first.text()
    assert b'route="/health"' not in second.text()
    assert not [name for name in REGISTRY._names_to_collectors if name.startswith("triptych")]


def test_methods_that_nobody_knows_are_one_label() -> None:
    metrics = Metrics()
    metrics.request("BREW", "other", 405)
    assert b'method="other"' in metrics.text()
