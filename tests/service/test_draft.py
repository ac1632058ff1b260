from dataclasses import replace

import pytest
from langchain_core.messages import AIMessageChunk

from adapters.engines.protocol import EngineError
from ingest.documents import Passage
from service.draft import Draft
from service.events import Citation, Delta, Usage
from service.guard.citations import Cleaned
from service.plan import FACTORS, Exposure, Interleaving, Layers, Plan
from service.retrieve import Found
from tests.service.parts import last_word

PASSAGES = tuple(Passage(f"c{n}", "d", "a.md", "Title", ("Place",), n, "Text.", 0.5) for n in (1, 2))
EXPOSURES = tuple(Exposure(f"{factor}-test", "arm", "ann", factor, "on") for factor in FACTORS)


def draft(adapter: str | None = "style@1") -> Draft:
    plan = Plan(Layers(None, "hospital", adapter), {}, 80, 0.0, 1.0, 0, EXPOSURES)
    return Draft("c", plan, found=Found(PASSAGES, "query", fingerprint="f"))


def test_text_and_citations_become_events_in_order() -> None:
    made = draft()
    assert list(made.shown(Cleaned("Yes [2].", (2,)))) == [Delta("Yes [2]."), Citation(2, "c2")]
    assert list(made.shown(Cleaned(""))) == []
    assert made.text == "Yes [2]."


def test_the_last_chunk_tells_what_acted() -> None:
    made = draft()
    assert made.read(AIMessageChunk(content="Yes")) == "Yes"
    assert made.read(last_word("scripted", "b", "style@1")) == ""
    made.check_adapter()
    assert made.usage == Usage(50, 9)
    assert made.acted == Layers(None, "hospital", "style@1")


def test_the_manifest_tells_the_name_that_a_server_gave_to_what_answered() -> None:
    made, word = draft(), last_word("openai", "b", "style@1")
    made.read(word.model_copy(update={"response_metadata": word.response_metadata | {"answered_as": "base-2024"}}))
    made.timings["answer"] = 1.0
    assert made.manifest().answered_as == "base-2024"


@pytest.mark.parametrize(("asked", "acted"), [("style@1", None), ("style@1", "style@2"), (None, "style@1")])
def test_another_adapter_than_asked_voids_the_answer(asked: str | None, acted: str | None) -> None:
    made = draft(asked)
    made.read(last_word("scripted", "b", acted))
    with pytest.raises(EngineError, match="void"):
        made.check_adapter()


def test_an_engine_that_tells_nothing_voids_the_answer() -> None:
    with pytest.raises(EngineError, match="unknown acted"):
        draft(None).check_adapter()


def test_only_layers_that_could_matter_are_exposed() -> None:
    made = draft()
    assert [one.factor for one in made.exposures] == list(FACTORS)
    made.fixed("Nothing found.", "no_sources")
    assert [one.factor for one in made.exposures] == ["retrieval"]
    made.fixed("Call 911.", "emergency")
    assert made.exposures == ()


def test_a_manifest_tells_what_was_asked_beside_what_acted() -> None:
    made = draft()
    made.found = Found(PASSAGES, "query", degraded=True, fingerprint="f", settings={"passages": 2})
    made.fixed("Nothing found.", "no_sources")
    manifest = made.manifest()
    assert manifest.asked == Layers(None, "hospital", "style@1")
    assert manifest.acted == Layers(None, "hospital", None)
    assert manifest.retrieval_degraded
    assert manifest.retrieval_settings == {"passages": 2}
    assert manifest.experiments.keys() == manifest.bucket_versions.keys() == {"retrieval-test"}


def test_a_manifest_holds_the_sampling_the_coin_and_what_was_cited() -> None:
    made = draft()
    both = Interleaving("searches", "seed", ("old", "new"), ("hospital", "annex"))
    made.plan = replace(made.plan, max_tokens=70, temperature=0.5, top_p=0.9, seed=7, interleaving=both)
    list(made.shown(Cleaned("Yes [2].", (2,))))
    made.read(last_word("scripted", "b", "style@1"))
    made.timings = {"answer": 100.0}
    manifest = made.manifest()
    assert (manifest.max_tokens, manifest.temperature, manifest.top_p, manifest.seed) == (70, 0.5, 0.9, 7)
    assert [(one.number, one.chunk_id, one.cited) for one in manifest.passages] == [
        (1, "c1", False),
        (2, "c2", True),
    ]
    assert manifest.interleaving == replace(both, answer=made.message_id)


def test_the_stages_add_up_to_the_whole() -> None:
    made = draft()
    made.timings = {"retrieve": 10.0, "answer": 100.0}
    assert made.stages == {"retrieve": 10.0, "answer": 100.0}
    made.read(last_word("scripted", "b", "style@1"))
    assert made.stages == {"retrieve": 10.0, "wait": 93.0, "prompt": 3.0, "answer": 4.0}
