"""An answer while it is being made: what is gathered for its manifest."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import uuid4

from langchain_core.messages import AIMessageChunk

from adapters.engines.protocol import AdapterWeights, EngineError
from adapters.prompt import PromptTemplate
from ingest.documents import Passage
from service.events import Citation, Delta, Event, Usage
from service.guard.citations import Cleaned
from service.plan import Exposure, Interleaving, Layers, Manifest, Plan, ShownPassage
from service.retrieve import Found, Origin

NOTHING = Layers(None, None, None)


@dataclass
class Draft:
    """One answer of one request; nothing in it is shared. `engine` is what its last chunk told."""

    conversation_id: str
    plan: Plan
    message_id: str = field(default_factory=lambda: uuid4().hex)
    path: Literal["model", "emergency", "no_sources"] = "model"
    rule: str | None = None
    turns: int = 0
    json_schema: Mapping[str, Any] | None = None
    template: PromptTemplate | None = None
    found: Found | None = None
    weights: AdapterWeights | None = None
    text: str = ""
    cited: set[int] = field(default_factory=set)
    engine: dict[str, Any] = field(default_factory=dict)
    usage: Usage = Usage(0, 0)
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def passages(self) -> tuple[Passage, ...]:
        return self.found.passages if self.found else ()

    @property
    def interleaving(self) -> Interleaving | None:
        """With the id that its coin falls by."""
        both = self.plan.interleaving
        return replace(both, answer=both.answer or self.message_id) if both else None

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.timings[stage] = round((time.perf_counter() - started) * 1000, 1)

    def fixed(self, text: str, path: Literal["emergency", "no_sources"]) -> Delta:
        """A text that no model made."""
        self.path, self.text = path, text
        return Delta(text, fixed=True)

    def read(self, chunk: AIMessageChunk) -> str:
        """The chunk's text; what its last one tells of the engine is kept."""
        if "engine" in chunk.response_metadata:
            self.engine = chunk.response_metadata
        if used := chunk.usage_metadata:
            self.usage = Usage(used["input_tokens"], used["output_tokens"])
        return str(chunk.text)

    def shown(self, cleaned: Cleaned) -> Iterator[Event]:
        if cleaned.text:
            self.text += cleaned.text
            yield Delta(cleaned.text)
        for number in cleaned.new:
            self.cited.add(number)
            yield Citation(number, self.passages[number - 1].chunk_id)

    def check_adapter(self) -> None:
        """An answer is never passed off as another adapter's, nor as an adapter's when the base made it."""
        asked, acted = self.plan.layers.adapter, self.engine.get("adapter", "unknown")
        if acted != asked:
            raise EngineError(
                f"The adapter {asked} was asked for and {acted} acted: the answer is void. "
                "Check the engine's adapters, and report this with the request's id."
            )

    @property
    def acted(self) -> Layers:
        retrieval = self.plan.layers.retrieval if self.found else None
        if self.path != "model":
            return Layers(None, retrieval, None)
        return Layers(self.template.label if self.template else None, retrieval, self.engine["adapter"])

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """Those of the layers that could make a difference to this answer."""
        factors = {"model": ("prompt", "retrieval", "adapter"), "no_sources": ("retrieval",), "emergency": ()}
        return tuple(one for one in self.plan.exposures if one.factor in factors[self.path])

    @property
    def stages(self) -> dict[str, float]:
        """Milliseconds a stage; together they are the whole. Waiting is for a place, or for an adapter to load."""
        of_engine = self.engine.get("timings") or {}
        if not of_engine:
            return self.timings
        waited = max(self.timings["answer"] - sum(of_engine.values()), 0.0)
        stages = {**self.timings, "wait": waited, **of_engine}
        return {stage: round(milliseconds, 1) for stage, milliseconds in stages.items()}

    def manifest(self) -> Manifest:
        plan, found = self.plan, self.found
        return Manifest(
            asked=plan.layers,
            acted=self.acted,
            origins=plan.origins,
            path=self.path,
            rule=self.rule,
            engine=self.engine.get("engine", "none"),
            base=self.engine.get("base", ""),
            prompt_sha256=self.template.hash if self.template else None,
            adapter_sha256=self.weights.sha256 if self.weights else None,
            collection_fingerprint=found.fingerprint if found else None,
            passages=tuple(numbered(found, self.cited)) if found else (),
            search_query=found.query if found else None,
            retrieval_degraded=found.degraded if found else False,
            retrieval_settings=found.settings if found else {},
            seed=plan.seed,
            temperature=plan.temperature,
            top_p=plan.top_p,
            max_tokens=plan.max_tokens,
            turns=self.turns,
            json_schema=self.json_schema,
            finish_reason=self.engine.get("finish_reason", "stop"),
            answered_as=self.engine.get("answered_as"),
            tokens={"prompt": self.usage.prompt_tokens, "completion": self.usage.completion_tokens},
            timings=self.stages,
            experiments={one.experiment: one.arm for one in self.exposures},
            bucket_versions={one.experiment: one.bucket_version for one in self.exposures},
            interleaving=self.interleaving,
        )


def numbered(found: Found, cited: Collection[int]) -> Iterator[ShownPassage]:
    origins = found.origins or (Origin(),) * len(found.passages)
    for number, (one, origin) in enumerate(zip(found.passages, origins, strict=True), start=1):
        yield ShownPassage(
            number,
            one.chunk_id,
            one.document_id,
            one.source,
            one.place,
            one.score,
            number in cited,
            origin.collection,
            origin.team,
        )
