"""Between OpenAI's chat completions and Triptych's questions and answers."""

import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from itertools import groupby
from typing import Any

from adapters.prompt import Turn
from service.answer import Question
from service.errors import InvalidRequest
from service.events import Delta, Event
from service.openai_schemas import CompletionRequest, Message
from service.streaming import frame
from service.switches import Overrides
from service.transcript import Transcript

CONFIGURED = "triptych"
BASE = "triptych-base"
DONE = b"data: [DONE]\n\n"


def overrides(body: CompletionRequest) -> Overrides:
    """The model's name chooses the adapter; `triptych.layers` switches all layers."""
    layers = body.triptych.layers.model_dump()
    if body.model != CONFIGURED:
        if layers["adapter"] is not None:
            raise InvalidRequest(
                f"The model {body.model!r} and triptych.layers.adapter both choose an adapter. "
                f"Send the model {CONFIGURED!r} with the layer, or only the model."
            )
        layers["adapter"] = "off" if body.model == BASE else body.model
    return Overrides(
        **layers,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
    )


def question(body: CompletionRequest) -> Question:
    """The last message is the question, those before it are its history."""
    if len(body.messages) > len(of_speakers(body)) and not body.triptych.ignore_system:
        raise InvalidRequest(
            "A system or developer message cannot be honoured: the system turn belongs to the prompt layer. "
            "Leave it out, choose a prompt with triptych.layers.prompt, or send triptych.ignore_system: true."
        )
    turns = spoken(body)
    if [role for role, _ in turns] != alternating(len(turns)):
        raise InvalidRequest(
            "Expected messages from 'user' and 'assistant' by turns, the first and the last from 'user'; "
            f"got {', '.join(role for role, _ in turns) or 'none of them'}."
        )
    texts = [text for _, text in turns]
    asked = texts[-1]
    if not asked.strip():
        raise InvalidRequest("The last message is blank; expected a question.")
    return Question(
        asked,
        history=tuple(Turn(*pair) for pair in zip(texts[:-1:2], texts[1::2], strict=True)),
        conversation_id=body.triptych.conversation_id,
        user=body.user,
        json_schema=body.response_format.wanted if body.response_format else None,
    )


def alternating(count: int) -> list[str]:
    return [("user", "assistant")[index % 2] for index in range(count | 1)]


def spoken(body: CompletionRequest) -> list[tuple[str, str]]:
    """(role, text) of each speaker's turn; several messages in a row by the same speaker are one."""
    return [(role, together(said)) for role, said in groupby(of_speakers(body), key=lambda message: message.role)]


def of_speakers(body: CompletionRequest) -> list[Message]:
    return [message for message in body.messages if message.role in ("user", "assistant")]


def together(messages: Iterable[Message]) -> str:
    return "\n\n".join(message.text for message in messages)


def bare_question(body: CompletionRequest) -> Question:
    """What the user said last, whatever stands before it; blank where the assistant spoke last."""
    said = [text if role == "user" else "" for role, text in spoken(body)]
    return Question(said[-1] if said else "", conversation_id=body.triptych.conversation_id, user=body.user)


class Completion:
    """One answer in OpenAI's form; everything of Triptych's own stands under `triptych`."""

    def __init__(self, body: CompletionRequest) -> None:
        self.model = body.model
        self.include_usage = bool(body.stream_options and body.stream_options.include_usage)
        self.typed = body.response_format is not None and body.response_format.type != "text"
        self.transcript = Transcript()
        self.created = int(time.time())

    async def frames(self, events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
        role = {"role": "assistant"}
        async with aclosing(events):
            async for event in events:
                self.transcript.add(event)
                if isinstance(event, Delta):
                    yield self.chunk({**role, "content": event.text, **self.refusal(event.text, event.fixed)})
                    role = {}
        yield self.chunk({**role, "triptych": self.extension()}, self.finish_reason())
        if self.include_usage:
            yield self.frame(choices=[], usage=self.usage())
        yield DONE

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        return self.frame(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}])

    def frame(self, **values: Any) -> bytes:
        return frame({**self.head("chat.completion.chunk"), **values})

    def whole(self, transcript: Transcript) -> dict[str, Any]:
        self.transcript = transcript
        text, fixed = transcript.done.text, transcript.done.manifest.path != "model"
        message = {
            "role": "assistant",
            "content": text,
            "refusal": None,
            **self.refusal(text, fixed),
            "triptych": self.extension(),
        }
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason(), "logprobs": None}
        return {**self.head("chat.completion"), "choices": [choice], "usage": self.usage()}

    def refusal(self, text: str, fixed: bool) -> dict[str, str]:
        """A text in no form also stands where clients that asked for JSON look before they read it as such."""
        return {"refusal": text} if self.typed and fixed else {}

    def head(self, kind: str) -> dict[str, Any]:
        message_id = self.transcript.meta.message_id
        return {"id": f"chatcmpl-{message_id}", "object": kind, "created": self.created, "model": self.model}

    def extension(self) -> dict[str, Any]:
        return self.transcript.answer().model_dump(exclude={"answer"})

    def finish_reason(self) -> str:
        finish = self.transcript.done.manifest.finish_reason
        return finish if finish in ("length", "content_filter") else "stop"

    def usage(self) -> dict[str, int]:
        used = self.transcript.usage
        return {
            "prompt_tokens": used.prompt_tokens,
            "completion_tokens": used.completion_tokens,
            "total_tokens": used.prompt_tokens + used.completion_tokens,
        }
