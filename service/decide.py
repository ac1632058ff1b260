"""A request for pre-authorization and the layers to use become a decision, or a reason to ask a person."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from adapters.decisions import ask
from adapters.decisions.calibration import Calibration, Origin
from adapters.decisions.head import likeliest
from adapters.decisions.pack import ENOUGH, LORA, DecisionPack
from adapters.decisions.policy import DecisionName, Service
from adapters.decisions.records import Case, Request
from adapters.decisions.similar import Similar, combined, told, votes
from adapters.engines.protocol import AdapterRefused, Engine
from ingest.documents import Vectors
from ingest.embed import Embedder
from service.defaults import Defaults
from service.errors import InvalidRequest
from service.loading import AdapterLoader
from service.plan import Layers, Plan
from service.switches import Known, Overrides

HEAD, RECORDS = "head", "records"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision before it is calibrated, and what made it; `origin` is None where the head decided."""

    decision: DecisionName
    code: str
    confidence: float
    made_by: Mapping[str, Any]
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """`probability` that the decision is right; None where nothing is calibrated for what decided.

    `refer` tells why a person has to decide, or is None. `manifest` says what acted.
    """

    verdict: Verdict
    rule: str
    probability: float | None
    refer: str | None
    similar: Sequence[Similar]
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decider:
    """The parts that decide. `defaults` has the layers; if not `open`, the admin key is needed."""

    pack: DecisionPack
    defaults: Defaults
    embedder: Embedder
    engine: Engine
    adapters: AdapterLoader
    similar: int
    refer_below: float
    open: bool = True

    def known(self) -> Known:
        """What can stand in the layers: the head, and the adapters that were trained on records."""
        shelf = self.adapters.shelf
        trained = {label for label in shelf.labels() if label.startswith(f"{LORA}@")}
        promoted = {name: label for name, label in shelf.promoted().items() if name == LORA}
        return Known(frozenset(self.pack.prompts), frozenset({RECORDS}), frozenset({HEAD, *trained}), promoted)

    def plan(self, overrides: Overrides) -> Plan:
        """The configuration, then the request. Raises SwitchRefused, and AdapterRefused for what cannot act."""
        plan = self.defaults.plan(overrides, self.known())
        adapter, prompt = plan.layers.adapter, plan.layers.prompt
        if adapter is not None and adapter.startswith(f"{HEAD}*"):
            raise AdapterRefused("The adapter 'head' is a classifier: it has no strength. Leave the strength out.")
        if adapter != HEAD or prompt is None:
            return plan
        if plan.origins["prompt"] == "request":
            raise AdapterRefused(
                "The adapter 'head' is a classifier over the fields: no prompt can act with it. Switch the prompt "
                "off, or the adapter."
            )
        return plan.put("prompt", None, "adapter:head")

    async def decide(self, request: Request, plan: Plan) -> Decided:
        """Raises PolicyError for an unknown service, InvalidRequest, AdapterRefused, PromptTooLong, EngineError."""
        started = time.perf_counter()
        service, case = self.checked(request), request.case()
        similar, note = await asyncio.to_thread(self.looked_up, case, plan.layers)
        if plan.layers.adapter == HEAD:
            verdict = self.by_head(case, note, similar)
        else:
            verdict = await self.by_model(service, case, plan, similar)
        layers = acted(plan.layers, similar)
        calibration = self.calibration(service, layers, verdict)
        probability = calibration.probability(verdict.confidence) if calibration else None
        manifest = {
            "acted": asdict(layers),
            "origins": plan.origins,
            **verdict.made_by,
            "policy_sha256": self.pack.policy.sha256,
            "records_sha256": self.pack.head.card.records_sha256,
            "calibrated_on": calibration.records if calibration else 0,
            "milliseconds": round((time.perf_counter() - started) * 1000, 1),
        }
        refer = self.referral(service, probability)
        return Decided(verdict, self.rule(service, verdict.code), probability, refer, similar, manifest)

    def checked(self, request: Request) -> Service:
        service = self.pack.policy.service(request.service)
        if request.measured is not None and service.number is None:
            raise InvalidRequest(
                f"For {service.name} nothing is measured, got measured {request.measured}: leave it out, "
                f"and say in the note if the condition is met ({service.condition})."
            )
        return service

    def looked_up(self, case: Case, layers: Layers) -> tuple[Sequence[Similar], Vectors]:
        """Similar past records if retrieval is on, and the note's vector (1, d)."""
        if layers.retrieval is None:
            return (), self.embedder.embed_queries([case.note])
        vectors = self.embedder.embed_queries([case.note, told(case)])
        return self.pack.memory.nearest(case, vectors[1], self.similar), vectors[:1]

    def by_head(self, case: Case, note: Vectors, similar: Sequence[Similar]) -> Verdict:
        head = self.pack.head
        shares = combined(head.codes([case], note)[0], votes(similar, head.card.codes), head.card.vote)
        decision, code, share = likeliest(shares, head.card.codes, head.card.decisions)
        vote = head.card.vote if similar else 0.0
        made_by = {"adapter_sha256": head.card.weights_sha256, "embedder": head.card.embedder, "records_vote": vote}
        return Verdict(decision, code, share, made_by)

    async def by_model(self, service: Service, case: Case, plan: Plan, similar: Sequence[Similar]) -> Verdict:
        prompt = plan.layers.prompt
        template = self.pack.prompts[prompt] if prompt else None
        messages = ask.messages(template, self.pack.policy.written(service), case, similar)
        async with self.adapters.held(plan.layers.adapter) as weights:
            said = await ask.answered(self.engine, messages, self.pack.policy.decisions, plan.layers.adapter)
        origin = Origin(
            engine=said.engine,
            base=said.base,
            prompt_sha256=template.hash if template else None,
            adapter_sha256=weights.sha256 if weights else None,
            policy_sha256=self.pack.policy.sha256,
            records_sha256=self.pack.head.card.records_sha256,
            similar=f"{self.similar} by {self.pack.head.card.embedder}" if similar else None,
        )
        return Verdict(said.decision, said.code, said.confidence, origin.model_dump(), origin)

    def calibration(self, service: Service, layers: Layers, verdict: Verdict) -> Calibration | None:
        """That of the way that decided, for all that did; None where there is none, or too few of the service."""
        if service.name not in self.pack.known_services:
            return None
        if verdict.origin is None:
            card = self.pack.head.card
            counted = layers.retrieval is None or self.similar == card.similar
            return card.ways.get(way(layers)) if counted else None
        found = self.pack.calibrations.get(way(layers))
        return found if found and found.holds_for(verdict.origin) else None

    def referral(self, service: Service, probability: float | None) -> str | None:
        if service.name not in self.pack.known_services:
            return (
                f"Too few past records are for {service.name} to know how often it is decided rightly: {ENOUGH} "
                "for calibration are needed, and some to learn from. A record's id decides what it is for: two in "
                "ten are for calibration. Add some that were decided, and run `triptych decisions fit`."
            )
        if probability is None:
            return (
                "Nothing is calibrated for these layers with this model, prompt, policy, records and number of "
                "similar ones, so nobody knows how often they are right; `triptych decisions calibrate` measures "
                "it, and of the head `triptych decisions fit`."
            )
        # Not `<`: of what is no number nobody knows whether it is enough.
        if not probability >= self.refer_below:
            return f"The probability {probability:.2f} is below the bound of {self.refer_below:g}."
        return None

    def rule(self, service: Service, code: str) -> str:
        return next(rule for rule in self.pack.policy.written(service) if rule.startswith(code))


def way(layers: Layers) -> str:
    """The name under which a combination of layers is calibrated: prompt+retrieval, head, decisions@1+retrieval."""
    parts = (layers.adapter, layers.prompt and "prompt", layers.retrieval and "retrieval")
    return "+".join(part for part in parts if part) or "bare"


def acted(layers: Layers, similar: Sequence[Similar]) -> Layers:
    """What stood in each layer; retrieval that found no record of the service did nothing."""
    return layers if similar else replace(layers, retrieval=None)
