"""The plan of an answer (which layers were asked for, and by whom) and the manifest of what made it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Factor = Literal["prompt", "retrieval", "adapter"]
FACTORS: tuple[Factor, ...] = ("prompt", "retrieval", "adapter")
# Between two names that act together; no arm and no collection has it in its own.
BOTH = "+"


@dataclass(frozen=True, slots=True)
class Layers:
    """What stands in each layer: a prompt label, a collection, an adapter; None is off."""

    prompt: str | None
    retrieval: str | None
    adapter: str | None


@dataclass(frozen=True, slots=True)
class Exposure:
    """A unit (user id) that an experiment gave an arm, under this version of its buckets.

    Or two arms, joined by BOTH, if `draft_seed` is not None: it is for the coin, and not recorded.
    """

    experiment: str
    arm: str
    unit: str
    factor: Factor
    value: str
    bucket_version: int = 0
    draft_seed: str | None = None


@dataclass(frozen=True, slots=True)
class Interleaving:
    """Two arms, the control first, whose collections search for the same answer.

    The coin for who drafts first falls by `seed` and the id `answer`; empty, it is that of the answer that is made.
    """

    experiment: str
    seed: str
    arms: tuple[str, str]
    collections: tuple[str, str]
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The layers asked for. `origins` says for each layer who decided: configuration, experiment:KEY, request.

    `exposures` are to be recorded when the answer is made; a layer that the request overrides has none.
    With `interleaving`, both its collections stand in the retrieval layer, joined by BOTH.
    """

    layers: Layers
    origins: Mapping[str, str]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    exposures: tuple[Exposure, ...] = ()
    interleaving: Interleaving | None = None

    def put(self, factor: Factor, value: str | None, origin: str) -> "Plan":
        return replace(
            self,
            layers=replace(self.layers, **{factor: value}),
            origins={**self.origins, factor: origin},
            interleaving=None if factor == "retrieval" else self.interleaving,
        )

    def interleave(self, both: Interleaving, origin: str) -> "Plan":
        return replace(self.put("retrieval", BOTH.join(both.collections), origin), interleaving=both)


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage in the manifest: what was shown under which number, and whether the answer cites it.

    `collection` where the name in the layer is another; of an interleaved answer also the arm that drafted it, None
    where that is nobody's merit.
    """

    number: int
    chunk_id: str
    document_id: str
    source: str
    place: str
    score: float
    cited: bool = False
    collection: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What really made an answer; a layer that did not act is None, whatever was asked for.

    `path` tells how the answer came about: `model`, `emergency` (fixed hand-off, no layer ran) or
    `no_sources` (retrieval found nothing; the fixed text, no model ran). `rule` names the emergency rule
    whose hand-off was given. `answered_as` is the name that a model server gave to what answered; None elsewhere.
    Two `collection_fingerprint`s are joined by BOTH, as the names of interleaved collections are in the layers.
    `retrieval_settings` are the values that chose the passages, by their names in `layers.retrieval`, and the
    ranker's (its weights' SHA-256, `ranker_passages`, `ranker_weight`, `ranker_min_log_odds`); a retriever of one's
    own has its name, `passages`, and the ranker's.
    `turns` counts the earlier turns that search and model saw, `json_schema` is the form that was asked for.
    `timings` are milliseconds a stage; `tokens` counts prompt and completion.
    `experiments` has the arm of each that had a part in the answer, `bucket_versions` its bucket version.
    """

    asked: Layers
    acted: Layers
    origins: Mapping[str, str]
    path: Literal["model", "emergency", "no_sources"]
    engine: str
    base: str
    rule: str | None = None
    prompt_sha256: str | None = None
    adapter_sha256: str | None = None
    collection_fingerprint: str | None = None
    passages: tuple[ShownPassage, ...] = ()
    search_query: str | None = None
    retrieval_degraded: bool = False
    retrieval_settings: Mapping[str, float | str] = field(default_factory=dict)
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 0
    turns: int = 0
    json_schema: Mapping[str, Any] | None = None
    finish_reason: str = "stop"
    answered_as: str | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    experiments: Mapping[str, str] = field(default_factory=dict)
    bucket_versions: Mapping[str, int] = field(default_factory=dict)
    interleaving: Interleaving | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
