"""Every setting once, with its type, its bounds and its unit; the defaults stand in default.yaml."""

from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from configs.experiment import Experiment
from configs.retrieval import RetrievalLayer
from configs.section import Section, Share, Switch, twice

AdapterName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(@[1-9][0-9]*)?$")]
PromptLabel = Annotated[str, Field(pattern=r"^[a-z0-9-]+@[1-9][0-9]*$")]
EngineKind = Literal["openvino", "llamacpp", "peft", "openai", "langchain"]


class Model(Section):
    """A model's place (package:, file: or hub: URI) and the SHA-256 its weights must have.

    The embedder is a folder; the base and the ranker's are each a GGUF file (hub:ORG/NAME/FILE@REVISION).
    """

    model: str = Field(pattern=r"^(package|file|hub):.+")
    sha256: str | None = Field(pattern=r"^[0-9a-f]{64}$")


class Data(Section):
    folder: Path


class Server(Section):
    """`admin_key` null: a random key is made at the first start and kept in the data folder."""

    host: str
    port: int = Field(ge=0, le=65535)
    admin_key: SecretStr | None
    max_body_bytes: int = Field(gt=0)
    max_upload_bytes: int = Field(gt=0)
    max_question_characters: int = Field(gt=0)
    max_concurrent_answers: int = Field(gt=0)
    heartbeat_seconds: float = Field(gt=0, le=60)
    shutdown_seconds: int = Field(ge=0)


class Library(Section):
    """`url` null: SQLite in the data folder; otherwise a PostgreSQL URL."""

    url: str | None


class Index(Section):
    kind: Literal["embedded", "server"]
    host: str
    port: int = Field(gt=0, le=65535)


class Embedder(Model):
    """`adapter` is the folder of a LoRA adapter for this very model, which learnt what people's questions mean.

    `questions`: what gives them their vectors. Both give the same; openvino is quicker and starts without torch.
    """

    adapter: Path | None
    batch_size: int = Field(gt=0)
    questions: Literal["openvino", "torch"]


class Ranker(Model):
    """A second look at the best `passages` that search found; none without `adapter`, the folder NAME/VERSION of a
    LoRA adapter on this model (a GGUF file) that learnt to tell whether a passage answers a question.

    `weight`: of the log-odds that it does, beside the score of the search. Where no passage reaches `min_log_odds`,
    nothing was found.
    """

    adapter: Path | None
    passages: int = Field(ge=2, le=20)
    weight: float = Field(gt=0, le=10)
    min_log_odds: float = Field(ge=-100, le=100)


class Splitter(Section):
    """Lengths in the embedder's own tokens; `max_tokens` counts title and headings too.

    `sentences`: each gets a vector of its own, too, and a passage is as near as its nearest one.
    """

    max_tokens: int = Field(gt=16, le=512)
    overlap_tokens: int = Field(ge=0)
    sentences: Switch


class PromptLayer(Section):
    switch: Switch
    name: PromptLabel
    folder: Path


class AdapterLayer(Section):
    """`name` alone means the promoted version; `folder` holds the adapters that the pack ships."""

    switch: Switch
    name: AdapterName
    folder: Path


class Layers(Section):
    prompt: PromptLayer
    retrieval: RetrievalLayer
    adapter: AdapterLayer


class SharedAdapters(Section):
    """A folder that the service and the model server share; `seen_as` is its path on the server."""

    folder: Path
    seen_as: str = Field(pattern=r"^/.*[^/]$")


class OpenAIServer(Section):
    """`adapters` maps name@version to the model name under which the server serves it from its start.

    `shared`: the server loads the others from there when they are needed (vLLM's /v1/load_lora_adapter).
    """

    url: str
    model: str
    api_key: SecretStr | None
    adapters: dict[str, str]
    shared: SharedAdapters | None


class LangChainModel(Section):
    """A string that LangChain's `init_chat_model` knows, such as `anthropic:NAME`, and its options."""

    model: str
    options: dict[str, Any]


class Engine(Section):
    """`threads` 0: all cores. `context_tokens` holds prompt and answer of one request; openvino takes 8192 at most.

    `device` is torch's. Of more than `adapters` loaded ones, the one that was not used for the longest time is
    unloaded. A process of openvino that owes answers and gives no sign for `silence_seconds` is replaced; of
    llamacpp and peft, which cannot be, /ready says so. Raise it where one step may take so long.
    """

    kind: EngineKind
    base: Model
    context_tokens: int = Field(ge=256)
    slots: int = Field(gt=0, le=64)
    adapters: int = Field(gt=0, le=64)
    threads: int = Field(ge=0)
    silence_seconds: float = Field(ge=5)
    device: str = Field(pattern=r"^(cpu|cuda(:\d+)?)$")
    openai: OpenAIServer
    langchain: LangChainModel


class Sampling(Section):
    max_tokens: int = Field(gt=0)
    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    seed: int = Field(ge=0)


class Conversation(Section):
    """`history_turns`: how many earlier turns the model and the search see."""

    history_turns: int = Field(ge=0, le=20)


class Guard(Section):
    """`emergencies` has the rules, `examples` sentences; `no_answer` is said when retrieval finds nothing."""

    emergencies: Path
    examples: Path
    no_answer: str


class Decisions(Section):
    """`folder` null: there are none to make. `adapter` is what `on` means: `head`, or the name of a LoRA adapter.

    `access` admin: with the admin key only, since answers show past records. `similar`: so many of them are shown.
    Under the probability `refer_below` a person has to decide.
    """

    folder: Path | None
    access: Literal["open", "admin"]
    prompt: PromptLabel
    adapter: AdapterName
    similar: int = Field(gt=0, le=20)
    refer_below: Share


class Judge(Section):
    """What `triptych evaluate judge` may use; nothing else ever asks a judge."""

    api_key: SecretStr | None


class Settings(Section):
    name: str
    documents: tuple[Path, ...]
    data: Data
    server: Server
    library: Library
    index: Index
    embedder: Embedder
    splitter: Splitter
    ranker: Ranker
    layers: Layers
    engine: Engine
    sampling: Sampling
    conversation: Conversation
    guard: Guard
    decisions: Decisions
    judge: Judge
    experiments: tuple[Experiment, ...]

    @model_validator(mode="after")
    def one_key_an_experiment(self) -> "Settings":
        if keys := twice([one.key for one in self.experiments]):
            raise ValueError(
                f"more than one experiment with the key {', '.join(keys)}; what is recorded goes by it, so "
                "give each experiment its own"
            )
        return self

    @model_validator(mode="after")
    def one_experiment_a_factor(self) -> "Settings":
        shared = sorted({one.factor for one, other in self._meeting() if one.factor == other.factor})
        if shared:
            raise ValueError(
                f"more than one active experiment on {', '.join(shared)}; stop all but one, or keep them apart by "
                "a namespace or by their dates"
            )
        return self

    @model_validator(mode="after")
    def one_seed_an_experiment(self) -> "Settings":
        alike = [(one.key, other.key) for one, other in self._meeting() if one.seed == other.seed]
        if alike:
            raise ValueError(
                f"one seed for the active experiments {' and '.join(alike[0])}: the same users would be in the "
                "same arms of both, so no effect could be told from the other; give each its own seed"
            )
        return self

    def _meeting(self) -> list[tuple[Experiment, Experiment]]:
        """Every two that can have a user in common."""
        pairs = combinations([one for one in self.experiments if one.active], 2)
        return [(one, other) for one, other in pairs if not one.slot.apart_from(other.slot)]
