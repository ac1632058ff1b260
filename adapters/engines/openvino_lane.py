"""One model file in OpenVINO GenAI: several answers at a time, token by token."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from adapters.engines.detokenize import Detokenized
from configs.load import stay_offline
from ingest.durable import kept_folder

Message = dict[str, Any]
# The library has no types.
Tokenizer = Any

# Tokens of a batch, prompts and answers together: an answer's step waits for at most so many of another's prompt.
BATCH_TOKENS = 256
BLOCK_TOKENS = 32

OWN_SOURCE = re.compile(r"^\[[\d:]+\] \S+:\d+: ")


@cache
def genai() -> Any:
    """The library, imported at the first call, and offline."""
    stay_offline()
    import openvino_genai

    return openvino_genai


@dataclass
class Answer:
    """A request that is being answered."""

    number: int
    handle: Any
    text: Detokenized
    prompt_tokens: int
    logprobs: bool
    started: float = field(default_factory=time.perf_counter)
    first: float | None = None


class Lane:
    """One model file with its own key-value cache: no request ever sees another model's."""

    def __init__(
        self,
        name: str | None,
        path: str,
        tokenizer: Tokenizer,
        slots: int,
        context_tokens: int,
        threads: int,
        cache_prompt: bool,
    ) -> None:
        scheduler = genai().SchedulerConfig()
        scheduler.max_num_seqs = slots
        scheduler.num_kv_blocks = -(-slots * context_tokens // BLOCK_TOKENS)
        scheduler.max_num_batched_tokens = BATCH_TOKENS
        scheduler.enable_prefix_caching = cache_prompt
        options = {"INFERENCE_NUM_THREADS": threads} if threads else {}
        self.name = name
        self.pipeline = genai().ContinuousBatchingPipeline(path, tokenizer, scheduler, "CPU", **options)
        self.tokenizer = tokenizer
        self.context_tokens = context_tokens
        self.answers: dict[int, Answer] = {}

    def add(self, number: int, request: Message) -> list[Message]:
        """Start an answer; what to reply where that cannot be."""
        try:
            history = genai().ChatHistory(request["messages"])
            prompt = self.tokenizer.apply_chat_template(history, add_generation_prompt=True)
            ids = self.tokenizer.encode(prompt, add_special_tokens=False).input_ids
            if ids.shape[1] + request["max_tokens"] > self.context_tokens:
                return [{"id": number, "too_long": ids.shape[1], "last": True}]
            handle = self.pipeline.add_request(number, ids, config_of(request, self.tokenizer.get_eos_token_id()))
        except RuntimeError as error:
            return [failed(number, error)]
        text = Detokenized(self.tokenizer, request["stop"])
        self.answers[number] = Answer(number, handle, text, ids.shape[1], request["logprobs"])
        return []

    def cancel(self, number: int) -> None:
        if answer := self.answers.pop(number, None):
            answer.handle.cancel()

    @property
    def busy(self) -> bool:
        return bool(self.pipeline.has_non_finished_requests())

    def step(self) -> Iterator[Message]:
        """One token of every running answer, or a part of a prompt."""
        try:
            self.pipeline.step()
        except Exception as error:
            # Whatever it was: nobody may wait for ever, and the other lanes go on.
            for number in list(self.answers):
                self.cancel(number)
                yield failed(number, error)
        for answer in list(self.answers.values()):
            yield from self.news(answer)

    def news(self, answer: Answer) -> Iterator[Message]:
        while answer.handle.can_read():
            for output in answer.handle.read().values():
                answer.first = answer.first or time.perf_counter()
                yield chunk(answer.number, *read(answer, output))
                if answer.text.stopped:
                    self.cancel(answer.number)
                    yield self.last(answer, "stop")
                    return
                if output.finish_reason != genai().GenerationFinishReason.NONE:
                    del self.answers[answer.number]
                    yield self.last(answer, output.finish_reason.name.lower())

    def last(self, answer: Answer, finish: str) -> Message:
        first, now = answer.first or answer.started, time.perf_counter()
        return {
            "id": answer.number,
            "model": self.name,
            "choices": [{"delta": {"content": answer.text.rest()}, "finish_reason": finish}],
            "usage": {"prompt_tokens": answer.prompt_tokens, "completion_tokens": len(answer.text.ids)},
            "timings": {"prompt_ms": (first - answer.started) * 1000, "predicted_ms": (now - first) * 1000},
            "last": True,
        }


def tokenizer_of(gguf: Path) -> Tokenizer:
    """The tokenizer and chat template of a GGUF file, kept beside it: opened again, it takes a tenth of the time.

    Raises RuntimeError, and OSError where it cannot be kept.
    """
    return kept_tokenizer(kept(gguf, "tokenizer", genai().Tokenizer))


def network_of(gguf: Path) -> Path:
    """The folder with a GGUF file's network and tokenizer as OpenVINO writes them. Raises as tokenizer_of does."""
    return kept(gguf, "network", partial(genai().LLMPipeline, device="CPU"))


def kept_tokenizer(folder: Path) -> Tokenizer:
    return genai().Tokenizer(folder)


def kept(gguf: Path, what: str, reader: Callable[..., Any]) -> Path:
    """The folder beside the file with what OpenVINO writes when `reader` reads it."""
    return kept_folder(gguf.with_name(f"{gguf.name}.{what}-{genai().__version__}"), partial(save, gguf, reader))


def save(gguf: Path, reader: Callable[..., Any], folder: Path) -> None:
    # OpenVINO writes its files beside the file that it reads.
    link = folder / gguf.name
    link.symlink_to(gguf.resolve())
    reader(link, enable_save_ov_model=True)
    link.unlink()


def config_of(request: Message, end: int) -> Any:
    config = genai().GenerationConfig()
    config.eos_token_id = end
    config.apply_chat_template = False
    config.max_new_tokens = request["max_tokens"]
    config.logprobs = int(request["logprobs"])
    config.rng_seed = request["seed"]
    if request["temperature"] > 0:
        config.do_sample, config.temperature, config.top_p = True, request["temperature"], request["top_p"]
    else:
        config.do_sample = False
    if request["json_schema"] is not None:
        config.structured_output_config = genai().StructuredOutputConfig(
            json_schema=json.dumps(request["json_schema"])
        )
    return config


def read(answer: Answer, output: Any) -> tuple[str, list[Message]]:
    """The new tokens' text; with their log probabilities, of which OpenVINO tells the chosen token's only."""
    text = "".join(answer.text.add(token) for token in output.generated_ids)
    if not answer.logprobs:
        return text, []
    decoded = [answer.text.tokenizer.decode([token], skip_special_tokens=False) for token in output.generated_ids]
    pairs = zip(decoded, output.generated_log_probs, strict=True)
    listed = [{"token": token, "logprob": logprob} for token, logprob in pairs]
    return text, [one | {"top_logprobs": [one]} for one in listed]


def chunk(number: int, text: str, logprobs: list[Message]) -> Message:
    return {"id": number, "choices": [{"delta": {"content": text}, "logprobs": {"content": logprobs}}]}


def failed(number: int, error: Exception) -> Message:
    """What OpenVINO says, without the lines and names of its own source."""
    lines = [OWN_SOURCE.sub("", line) for line in str(error).splitlines()]
    told = [line for line in lines if line.strip() and not line.startswith(("Check", "Exception"))]
    return {"id": number, "error": " ".join(told)[:300] or type(error).__name__, "last": True}
