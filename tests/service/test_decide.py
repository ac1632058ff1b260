"""Decisions by the head and by a model: what acts, what is refused, and when a person is asked."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.decisions.calibration import Calibration, Origin
from adapters.decisions.pack import known_services
from adapters.decisions.policy import PolicyError
from adapters.decisions.records import Request
from adapters.decisions.similar import told
from adapters.engines.protocol import AdapterRefused, EngineError
from ingest.embed import Embedder
from service.decide import Decided, Decider, way
from service.errors import InvalidRequest
from service.plan import Layers
from service.switches import Overrides, SwitchRefused
from tests.service.deciding import KNEE, DecidingEngine, decider, decision_embedder

PROMPT_ONLY = Overrides(retrieval="off", adapter="off")


@pytest.fixture(scope="module")
def embedder(model_folder: Path) -> Embedder:
    return decision_embedder(model_folder)


async def decided(by: Decider, overrides: Overrides = Overrides(), **changes: Any) -> Decided:
    return await by.decide(Request(**KNEE | changes), by.plan(overrides))


def with_calibration(by: Decider, name: str, **values: Any) -> Decider:
    origin = Origin(
        engine="scripted",
        base="b" * 64,
        prompt_sha256=by.pack.prompts["decide@1"].hash,
        policy_sha256=by.pack.policy.sha256,
        records_sha256=by.pack.head.card.records_sha256,
    )
    found = Calibration(**{"slope": 1, "intercept": 0, "records": 50} | origin.model_dump() | values)
    return replace(by, pack=replace(by.pack, calibrations={name: found}))


async def test_the_head_decides_by_fields_and_shows_similar_records(embedder: Embedder) -> None:
    found = await decided(decider(embedder))
    assert (found.verdict.decision, found.verdict.code, found.refer) == ("approved", "A2", None)
    assert found.probability is not None
    assert found.probability > 0.7
    assert "at least 6 weeks" in found.rule
    assert len(found.similar) == 5
    assert {one.past.case.fields["service"] for one in found.similar} == {"MRI of the knee"}
    assert found.manifest["acted"] == {"prompt": None, "retrieval": "records", "adapter": "head"}


async def test_a_number_on_the_other_side_of_the_bound_is_rejected(embedder: Embedder) -> None:
    assert (await decided(decider(embedder), measured=2)).verdict.code == "R1"


async def test_without_retrieval_no_record_has_a_part(embedder: Embedder) -> None:
    found = await decided(decider(embedder), Overrides(retrieval="off"))
    assert not found.similar
    assert found.manifest["acted"]["retrieval"] is None
    assert found.manifest["records_vote"] == 0
    assert found.verdict.confidence != (await decided(decider(embedder))).verdict.confidence


async def test_similar_records_are_those_like_the_whole_request(embedder: Embedder) -> None:
    by, request = decider(embedder), Request(**KNEE)
    vector = embedder.embed_queries([told(request.case())])[0]
    nearest = by.pack.memory.nearest(request.case(), vector, 5)
    assert [one.past.id for one in (await decided(by)).similar] == [one.past.id for one in nearest]


async def test_the_head_is_calibrated_with_and_without_records(embedder: Embedder) -> None:
    by = decider(embedder)
    for overrides, name in ((Overrides(), "head+retrieval"), (Overrides(retrieval="off"), "head")):
        found = await decided(by, overrides)
        calibration = by.pack.head.card.ways[name]
        assert found.probability == calibration.probability(found.verdict.confidence)


async def test_a_service_that_nothing_was_learnt_of_is_decided_without_retrieval_and_goes_to_a_person(
    embedder: Embedder,
) -> None:
    by = decider(embedder)
    past = [one for one in by.pack.past if one.case.fields["service"] != KNEE["service"] or one.split == "test"]
    kept = [at for at, one in enumerate(by.pack.memory.past) if one in past]
    head = replace(by.pack.head, memory=by.pack.head.memory[kept])
    pack = replace(by.pack, past=past, head=head, known_services=known_services(past))
    found = await decided(replace(by, pack=pack))
    assert found.manifest["acted"] == {"prompt": None, "retrieval": None, "adapter": "head"}
    assert found.verdict.confidence == (await decided(by, Overrides(retrieval="off"))).verdict.confidence
    assert found.probability is None
    assert found.refer is not None
    assert "Too few past records are for MRI of the knee" in found.refer


async def test_with_another_number_of_similar_records_the_head_is_not_calibrated(embedder: Embedder) -> None:
    by = decider(embedder, similar=1)
    found = await decided(by)
    assert found.probability is None
    assert found.refer is not None
    assert "of the head `triptych decisions fit`" in found.refer
    assert (await decided(by, Overrides(retrieval="off"))).probability is not None


async def test_below_the_bound_a_person_is_asked(embedder: Embedder) -> None:
    found = await decided(decider(embedder, refer_below=1.0))
    assert found.refer is not None
    assert "below the bound of 1" in found.refer
    by = decider(embedder)
    service = by.pack.policy.services[0]
    assert by.referral(service, 1.0) is None
    assert by.referral(service, float("nan")) is not None


async def test_a_model_is_asked_with_the_rules_and_held_to_json(embedder: Embedder) -> None:
    engine = DecidingEngine()
    found = await decided(decider(embedder, engine), PROMPT_ONLY)
    messages, generation = engine.seen[0]
    assert "A2 approved: The condition is met" in str(messages[-1].content)
    assert generation.json_schema is not None
    assert found.manifest["acted"] == {"prompt": "decide@1", "retrieval": None, "adapter": None}
    assert found.manifest["engine"] == "scripted"


@pytest.mark.parametrize("name", Origin.model_fields)
async def test_what_was_never_calibrated_has_no_probability_and_goes_to_a_person(
    embedder: Embedder, name: str
) -> None:
    other = with_calibration(decider(embedder), "prompt", **{name: "another"})
    found = await decided(other, PROMPT_ONLY)
    assert found.probability is None
    assert found.refer is not None
    assert "Nothing is calibrated" in found.refer


async def test_a_calibrated_model_has_a_probability(embedder: Embedder) -> None:
    found = await decided(with_calibration(decider(embedder), "prompt"), PROMPT_ONLY)
    assert found.probability == pytest.approx(0.8)
    assert found.refer is None
    found = await decided(with_calibration(decider(embedder), "prompt", slope=2, intercept=-3), PROMPT_ONLY)
    assert found.probability == pytest.approx(1 / (1 + math.exp(3) / 4**2)), "not how sure it says it is"
    assert found.refer is not None


async def test_a_prompt_that_was_edited_is_another_one(embedder: Embedder) -> None:
    by = with_calibration(decider(embedder), "prompt")
    edited = replace(by.pack.prompts["decide@1"], text=by.pack.prompts["decide@1"].text + "\n")
    found = await decided(replace(by, pack=replace(by.pack, prompts={"decide@1": edited})), PROMPT_ONLY)
    assert (found.probability, found.refer is None) == (None, False)


async def test_an_adapter_that_was_trained_anew_is_another_one(embedder: Embedder) -> None:
    lora = Overrides(prompt="off", retrieval="off", adapter="decisions")
    for sha256, known in (("hash of decisions@1", True), ("hash before", False)):
        by = with_calibration(decider(embedder), "decisions@1", prompt_sha256=None, adapter_sha256=sha256)
        assert ((await decided(by, lora)).probability is not None) is known


async def test_another_number_of_similar_records_is_another_way(embedder: Embedder) -> None:
    with_records = Overrides(retrieval="on", adapter="off")
    for count, known in ((5, True), (3, False)):
        by = decider(embedder, similar=count)
        similar = f"5 by {embedder.fingerprint}"
        by = with_calibration(by, "prompt+retrieval", similar=similar)
        assert ((await decided(by, with_records)).probability is not None) is known


async def test_an_adapter_that_decides_acts_through_its_gate(embedder: Embedder) -> None:
    engine = DecidingEngine()
    found = await decided(decider(embedder, engine), Overrides(adapter="decisions", prompt="off"))
    assert engine.seen[0][1].adapter == "decisions@1"
    assert found.manifest["adapter_sha256"] == "hash of decisions@1"


@pytest.mark.parametrize(
    ("overrides", "error", "words"),
    [
        (Overrides(prompt="on"), AdapterRefused, "no prompt can act with it"),
        (Overrides(adapter_strength=0.5), AdapterRefused, "it has no strength"),
        (Overrides(adapter="house-style"), SwitchRefused, "head"),
        (Overrides(adapter="house-style@2", prompt="off"), SwitchRefused, "head"),
        (Overrides(retrieval="hospital"), SwitchRefused, "records"),
        (Overrides(adapter="off", prompt="house@1"), SwitchRefused, "decide@1"),
    ],
)
def test_what_cannot_act_is_refused(
    embedder: Embedder, overrides: Overrides, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        decider(embedder).plan(overrides)


async def test_an_adapter_that_did_not_act_decides_nothing(embedder: Embedder) -> None:
    liar = decider(embedder, DecidingEngine(liar=True))
    with pytest.raises(EngineError, match="another one acted"):
        await decided(liar, Overrides(adapter="decisions", prompt="off"))


async def test_an_engine_without_probabilities_decides_nothing(embedder: Embedder) -> None:
    with pytest.raises(EngineError, match="told no probabilities"):
        await decided(decider(embedder, DecidingEngine(told=False)), PROMPT_ONLY)


async def test_requests_beside_the_policy_are_refused(embedder: Embedder) -> None:
    with pytest.raises(PolicyError, match="no service 'haircut'"):
        await decided(decider(embedder), service="haircut")
    with pytest.raises(InvalidRequest, match="nothing is measured"):
        await decided(decider(embedder), service="PET scan")


def test_each_combination_of_layers_has_a_name_of_its_own() -> None:
    assert way(Layers("decide@1", "records", None)) == "prompt+retrieval"
    assert way(Layers(None, "records", "head")) == "head+retrieval"
    assert way(Layers(None, None, None)) == "bare"
