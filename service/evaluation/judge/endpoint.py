"""The judge itself: any OpenAI-compatible endpoint, asked for a reply in a JSON schema at temperature 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from adapters.engines.openai import translated
from adapters.engines.protocol import EngineError

# Room for what some models think before they reply (a reply itself has about 30 tokens), beside the prompt's 1,500.
MAX_TOKENS = 1000
CUT_OFF = f"the reply was cut off at {MAX_TOKENS} tokens, or at the endpoint's own limit"
WITHHELD = "the endpoint withheld its reply"


class EndpointRefused(ValueError):
    """No address that anything would be sent to; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`text` as it came; `failed` says why it is none, though the endpoint answered."""

    text: str
    failed: str | None
    model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True, slots=True)
class Judge:
    client: AsyncOpenAI
    model: str

    @property
    def url(self) -> str:
        return str(self.client.base_url)

    async def reply(self, message: str, schema: Mapping[str, Any]) -> Reply:
        """Raises PromptTooLong, and EngineError for what no other message would change."""
        try:
            completion = await self.client.chat.completions.create(
                model=self.model,
                messages=[{"role": "user", "content": message}],
                temperature=0,
                max_completion_tokens=MAX_TOKENS,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "judgement", "strict": True, "schema": dict(schema)},
                },
            )
        # An answer with a JSON type and no JSON in it reaches us as the parser's own error.
        except (openai.OpenAIError, ValueError) as error:
            raise unusable(error, self.url) from error
        if not isinstance(completion, ChatCompletion) or not completion.choices:
            raise EngineError(f"What is at {self.url} does not answer as OpenAI's API does. Check --url.")
        return reply_of(completion)


def judge_of(url: str, model: str, key: str | None) -> Judge:
    """Raises EndpointRefused. Busy endpoints are asked again a few times."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EndpointRefused(f"Expected an address such as https://host/v1 for --url, got {url!r}.")
    if parts.username or parts.password or parts.query:
        raise EndpointRefused("A key does not belong into --url. Set TRIPTYCH__JUDGE__API_KEY instead.")
    return Judge(AsyncOpenAI(base_url=url, api_key=key or "none", max_retries=5), model)


def unusable(error: Exception, url: str) -> EngineError:
    if isinstance(error, openai.OpenAIError):
        return translated(error, url)
    return EngineError(f"What is at {url} does not answer as OpenAI's API does: {error}. Check --url.")


def reply_of(completion: ChatCompletion) -> Reply:
    choice, usage = completion.choices[0], completion.usage
    text = choice.message.content or ""
    return Reply(
        text=text,
        failed=failure(choice.finish_reason, choice.message.refusal, text),
        model=completion.model,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
    )


def failure(finish_reason: str | None, refusal: str | None, text: str) -> str | None:
    if finish_reason == "length":
        return CUT_OFF
    if refusal or finish_reason == "content_filter" or not text.strip():
        return WITHHELD
    return None
