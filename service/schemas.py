"""The bodies of the native API: what may come in, what goes out."""

import re
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from adapters.decisions.records import Request
from configs.section import spelled_out
from configs.slot import MOST_ATTRIBUTES, AttributeName, AttributeValue
from ingest.documents import LABEL
from service.outcomes import Outcome, Rating, Reason

# Control characters, and halves of characters that no encoding can write.
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("expected some text, not only blanks")
    return text


def printable(text: str) -> str:
    """Text that a person can have written: tabs and line ends are its only control characters."""
    found = FORBIDDEN.search(text)
    if found:
        raise ValueError(f"expected text, found U+{ord(found[0]):04X} at {found.start()}; leave it out")
    return text


Printable = Annotated[str, AfterValidator(printable)]
Text = Annotated[Printable, AfterValidator(not_blank)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
User = Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9@._*-]{0,79}$")]
Label = Annotated[str, Field(pattern=f"^{LABEL.pattern}$")]
Switch = Annotated[Name | None, BeforeValidator(spelled_out)]
Attributes = Annotated[dict[AttributeName, AttributeValue], Field(max_length=MOST_ATTRIBUTES)]


class Strict(BaseModel):
    """A request's body: frozen, no unknown fields, no guessing of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LayerSwitches(Strict):
    """Each layer: true or "on", false or "off", or the name of what to put in it; absent is as configured.

    `adapter_strength` multiplies what the adapter changes, in tenths: 1 as trained, 0 without it; NAME*0.5 says
    the same.
    """

    prompt: Switch = None
    retrieval: Switch = None
    adapter: Switch = None
    adapter_strength: Annotated[float | None, Field(ge=0, le=1.5, multiple_of=0.1)] = None


class SamplingValues(Strict):
    max_tokens: int | None = Field(None, ge=1, le=100_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**31)


class ChatRequest(Strict):
    """`attributes` say to experiments whom they may take, and nothing else: they are not kept."""

    question: Text
    conversation_id: Id | None = None
    user: User | None = None
    attributes: Attributes = Field(default_factory=dict)
    layers: LayerSwitches = LayerSwitches()
    sampling: SamplingValues = SamplingValues()
    stream: bool = False


class DecideRequest(Request):
    """A request for pre-authorization, as the pack's records have it; and the layers that decide it."""

    note: Annotated[Printable, Field(max_length=2000)]
    layers: LayerSwitches = LayerSwitches()


class SearchRequest(Strict):
    query: Text
    collection: Name | None = None
    limit: int | None = Field(None, ge=1, le=100)


class FeedbackRequest(Strict):
    """What a person thinks of an answer. Reasons and a corrected answer say what is wrong, so they need `down`."""

    rating: Rating
    reasons: list[Reason] = Field([], max_length=len(get_args(Reason)))
    comment: Text | None = Field(None, max_length=2000)
    corrected_answer: Text | None = Field(None, max_length=4000)
    escalated: bool = False
    follow_up_needed: bool = False
    user: User | None = None

    @field_validator("reasons", "corrected_answer")
    @classmethod
    def only_of_what_is_wrong(cls, value: Any, given: ValidationInfo) -> Any:
        if value and given.data.get("rating") == "up":
            raise ValueError("expected with the rating 'down' only; leave it out, or rate 'down'")
        return value

    def outcome(self) -> Outcome:
        return Outcome(
            rating=self.rating,
            reasons=tuple(dict.fromkeys(self.reasons)),
            comment=self.comment,
            corrected_answer=self.corrected_answer,
            escalated=self.escalated,
            follow_up_needed=self.follow_up_needed,
        )


class Promotion(Strict):
    """`despite`: why a version may go out that an evaluation found worse than the base."""

    version: int = Field(ge=1)
    despite: str | None = Field(None, min_length=1, max_length=400)


class Source(BaseModel):
    """A passage; `number` is how the answer cites it, `cited` whether it did."""

    number: int
    title: str
    place: str
    source: str
    text: str
    score: float
    cited: bool = False


class ChatAnswer(BaseModel):
    """`citations` are the numbers of the cited sources; `manifest` says what really made the answer.

    Its `retrieval_settings` are the values of `layers.retrieval` that chose the sources.
    """

    message_id: str
    conversation_id: str
    answer: str
    sources: list[Source]
    citations: list[int]
    manifest: dict[str, Any]


class SimilarRecord(BaseModel):
    """A past record with the cosine of its likeness."""

    id: str
    similarity: float
    decision: str
    reason_code: str
    text: str


class DecideAnswer(BaseModel):
    """`probability` is that of `decision` being right, null where it was never measured for these layers.

    `refer_to_person`: do not act on the decision; `refer_reason` says why.
    """

    decision: str
    reason_code: str
    rule: str
    probability: float | None
    refer_to_person: bool
    refer_reason: str | None
    refer_below: float
    similar: list[SimilarRecord]
    manifest: dict[str, Any]


class SearchAnswer(BaseModel):
    """`query` is what was searched for; `degraded` says that the index was not whole."""

    query: str
    degraded: bool
    passages: list[Source]


class Problem(BaseModel):
    """RFC 9457; `errors` has an entry for each wrong field."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[dict[str, str]] = []
    components: dict[str, str] = {}
