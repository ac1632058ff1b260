"""The body of /v1/chat/completions: what OpenAI's clients send, as far as it can be honoured."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from service.answer_schemas import AnswerSchema
from service.schemas import Attributes, Id, LayerSwitches, Name, Printable, SamplingValues, Strict, User


def neutral(*values: Any) -> AfterValidator:
    """A parameter that cannot be honoured: only its neutral values, which change no answer, are taken."""

    def check(value: Any) -> Any:
        if value is not None and value not in values:
            raise ValueError("this is not supported here, and would change the answer; leave it out")
        return value

    return AfterValidator(check)


def as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class TextPart(BaseModel):
    type: Literal["text"]
    text: Printable


class Message(BaseModel):
    """One message. Fields that clients copy from earlier answers are ignored; tool calls are refused."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[TextPart], BeforeValidator(as_parts), Field(min_length=1)]
    tool_calls: Annotated[Any, neutral([])] = None

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content)


class JsonSchema(BaseModel):
    schema_: AnswerSchema = Field(alias="schema")


class ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @property
    def wanted(self) -> dict[str, Any] | None:
        if self.type == "text":
            return None
        return self.json_schema.schema_.model_dump(exclude_unset=True) if self.json_schema else {"type": "object"}


class StreamOptions(Strict):
    include_usage: bool = False
    include_obfuscation: Annotated[Any, neutral(False)] = None


class Extension(Strict):
    """Triptych's own part of a request, sent through `extra_body`."""

    layers: LayerSwitches = LayerSwitches()
    conversation_id: Id | None = None
    attributes: Attributes = Field(default_factory=dict)
    ignore_system: bool = False


class ErrorObject(BaseModel):
    message: str
    type: str
    code: str
    param: str | None


class OpenAIError(BaseModel):
    """An error as OpenAI's clients read it."""

    error: ErrorObject


class CompletionRequest(SamplingValues):
    """Honoured, taken because it changes no answer (ignored), or refused unless neutral."""

    model: Name
    messages: list[Message] = Field(min_length=1, max_length=500)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = Field(None, ge=1, le=100_000)
    user: User | None = None
    response_format: ResponseFormat | None = None
    triptych: Extension = Extension()

    metadata: Any = None
    parallel_tool_calls: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: Any = None
    service_tier: Any = None
    store: Any = None

    audio: Annotated[Any, neutral()] = None
    frequency_penalty: Annotated[Any, neutral(0)] = None
    function_call: Annotated[Any, neutral("none")] = None
    functions: Annotated[Any, neutral([])] = None
    logit_bias: Annotated[Any, neutral({})] = None
    logprobs: Annotated[Any, neutral(False)] = None
    modalities: Annotated[Any, neutral(["text"])] = None
    moderation: Annotated[Any, neutral()] = None
    n: Annotated[Any, neutral(1)] = None
    prediction: Annotated[Any, neutral()] = None
    presence_penalty: Annotated[Any, neutral(0)] = None
    reasoning_effort: Annotated[Any, neutral("none")] = None
    stop: Annotated[Any, neutral([])] = None
    tool_choice: Annotated[Any, neutral("none", "auto")] = None
    tools: Annotated[Any, neutral([])] = None
    top_logprobs: Annotated[Any, neutral(0)] = None
    verbosity: Annotated[Any, neutral("medium")] = None
    web_search_options: Annotated[Any, neutral()] = None
