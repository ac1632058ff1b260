"""The hospital's decisions with their own embedder, and an engine that decides as a test wants."""

import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from adapters.decisions import ask
from adapters.decisions.pack import open_pack
from adapters.engines import wire
from adapters.engines.protocol import AdapterRefused, AdapterWeights, Generation
from configs.load import HOSPITAL
from ingest.embed import Embedder
from service.decide import RECORDS, Decider
from service.defaults import Defaults
from service.loading import AdapterLoader
from service.plan import FACTORS, Layers
from tests.service.parts import DEFAULTS, ScriptedEngine

FOLDER = HOSPITAL.parent / "decisions"
KNEE: dict[str, Any] = {
    "service": "MRI of the knee",
    "urgency": "routine",
    "age": "40-64",
    "referral": "attached",
    "visit_notes": "attached",
    "measured": 9,
    "note": "Guided exercises, little gain.",
}


class DecidingEngine(ScriptedEngine):
    """Answers "approved, A2", of which it is `sure`; `told` false gives no log probabilities."""

    sure: float = 0.8
    told: bool = True

    async def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.seen.append((messages, generation))
        before, after = ask.answer("approved", "A2").split("approved")
        shares = [(before, 1.0), ("approved", self.sure), (after, 1.0)]
        tokens = [{"token": token, "logprob": math.log(share)} for token, share in shares]
        yield wire.text_chunk(ask.answer("approved", "A2"), tokens if self.told else ())
        acted = None if self.liar else generation.adapter
        yield wire.last_chunk(None, engine=self.kind, base=self.base, adapter=acted)


class DecisionShelf:
    """One adapter that decides, and one that does not."""

    def labels(self) -> frozenset[str]:
        return frozenset({"decisions@1", "house-style@2"})

    def promoted(self) -> dict[str, str]:
        return {"decisions": "decisions@1", "house-style": "house-style@2"}

    def verified(self, label: str, base: str) -> AdapterWeights:
        if base != "b" * 64:
            raise AdapterRefused("it was trained on another base")
        return AdapterWeights(label, "/nowhere", f"hash of {label}")


def decision_embedder(model_folder: Any) -> Embedder:
    """As the hospital's settings have it: with the adapter of its search."""
    return Embedder(model_folder, adapter=HOSPITAL.parent / "search" / "1")


def decider(embedder: Embedder, engine: DecidingEngine | None = None, **changes: Any) -> Decider:
    engine = engine or DecidingEngine()
    defaults = Defaults(
        name="Test Hospital",
        layers=Layers("decide@1", RECORDS, "head"),
        switches=dict.fromkeys(FACTORS, "on"),
        max_tokens=DEFAULTS.max_tokens,
        temperature=0.0,
        top_p=1.0,
        seed=0,
        history_turns=0,
        no_answer="",
    )
    values: dict[str, Any] = {"similar": 5, "refer_below": 0.7, **changes}
    return Decider(
        pack=open_pack(FOLDER, "decide@1", embedder.fingerprint),
        defaults=defaults,
        embedder=embedder,
        engine=engine,
        adapters=AdapterLoader(DecisionShelf(), engine, 2),
        **values,
    )
