"""The chat-completions format that llama.cpp and OpenAI-compatible servers share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from adapters.engines.protocol import Generation

Chunk = dict[str, Any]


def request(messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation) -> dict[str, Any]:
    """The body of a streamed chat completion, without the model's name."""
    body: dict[str, Any] = {
        "messages": convert_to_openai_messages(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": generation.max_tokens,
        "temperature": generation.temperature,
        "top_p": generation.top_p,
        "seed": generation.seed,
    }
    if stops := [*generation.stop, *stop]:
        body["stop"] = stops
    if generation.json_schema is not None:
        schema = {"name": "answer", "strict": True, "schema": dict(generation.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if generation.logprobs:
        body |= {"logprobs": True, "top_logprobs": generation.logprobs}
    return body


@dataclass
class Reading:
    """What the chunks of one answer have said so far."""

    finish_reason: str | None = None
    model: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)

    def read(self, chunks: Sequence[Chunk]) -> ChatGenerationChunk | None:
        """Take in the chunks; one chunk with all their text, or None if they have none."""
        text = ""
        logprobs: list[dict[str, Any]] = []
        for chunk in chunks:
            self.model = chunk.get("model") or self.model
            self.usage = chunk.get("usage") or self.usage
            self.timings = chunk.get("timings") or self.timings
            # Some servers send null for what they leave empty.
            for choice in chunk.get("choices") or ():
                text += (choice.get("delta") or {}).get("content") or ""
                logprobs += (choice.get("logprobs") or {}).get("content") or ()
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return text_chunk(text, [token_logprobs(token) for token in logprobs]) if text or logprobs else None

    def usage_metadata(self) -> UsageMetadata | None:
        prompt, answer = self.usage.get("prompt_tokens"), self.usage.get("completion_tokens")
        if prompt is None or answer is None:
            return None
        cached = (self.usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        return usage(prompt, answer, cached)

    def last_chunk(self, **made_by: str | None) -> ChatGenerationChunk:
        """The chunk that ends an answer with llama.cpp's timings; one without an end was cancelled."""
        stages = {"prompt": "prompt_ms", "answer": "predicted_ms"}
        timings = {stage: self.timings.get(name, 0.0) for stage, name in stages.items()}
        finish = self.finish_reason or "cancelled"
        return last_chunk(self.usage_metadata(), **made_by, finish_reason=finish, timings=timings)


def token_logprobs(token: dict[str, Any]) -> dict[str, Any]:
    """A token and the likeliest ones in its place: {"token", "logprob", "top": [[token, logprob]]}."""
    top = [[other["token"], other["logprob"]] for other in token["top_logprobs"]]
    return {"token": token["token"], "logprob": token["logprob"], "top": top}


def text_chunk(text: str, logprobs: Sequence[dict[str, Any]] = ()) -> ChatGenerationChunk:
    metadata = {"logprobs": list(logprobs)} if logprobs else {}
    return ChatGenerationChunk(message=AIMessageChunk(content=text, response_metadata=metadata))


def last_chunk(usage_metadata: UsageMetadata | None, **metadata: Any) -> ChatGenerationChunk:
    """The chunk without text that ends an answer and tells what made it."""
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content="", chunk_position="last", usage_metadata=usage_metadata, response_metadata=metadata
        )
    )


def usage(prompt_tokens: int, answer_tokens: int, cached_tokens: int = 0) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=prompt_tokens,
        output_tokens=answer_tokens,
        total_tokens=prompt_tokens + answer_tokens,
        input_token_details=InputTokenDetails(cache_read=cached_tokens),
    )
