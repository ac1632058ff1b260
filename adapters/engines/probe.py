"""Does an adapter act? One fixed prompt, and how far it moves the first token."""

from collections.abc import AsyncIterator

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.outputs import ChatGenerationChunk

from adapters.engines.protocol import AdapterRefused, EngineError, Generation

MESSAGES = [
    SystemMessage("You answer visitors of a public service."),
    HumanMessage("When are you open, and whom do I call if I am late?"),
]
GENERATION = Generation(max_tokens=1, logprobs=10)

# In natural logarithms. The same weights, each reading the prompt for the first time, differ by 0 (llama.cpp,
# torch) to about 0.05 (bf16 server); llama.cpp with the prompt in its cache by up to 0.23.
ACTS = 0.1

Top = dict[str, float]


async def first_token(answer: AsyncIterator[ChatGenerationChunk]) -> Top:
    """The likeliest first tokens of an answer to MESSAGES under GENERATION, with their log probabilities."""
    async for chunk in answer:
        for token in chunk.message.response_metadata.get("logprobs", ()):
            return dict(token["top"])
    raise EngineError("The probe gave no log probabilities, so no adapter can be seen to act on this engine.")


def distance(one: Top, other: Top) -> float:
    """The largest change of a token's log probability."""
    return max(abs(listed(one, token) - listed(other, token)) for token in {*one, *other})


def listed(top: Top, token: str) -> float:
    """A token that is not among the likeliest counts as the last of them: the distance is never overstated."""
    return top.get(token, min(top.values()))


def check_acts(name: str, base: Top, adapted: Top) -> None:
    moved = distance(base, adapted)
    if not moved >= ACTS:
        raise AdapterRefused(
            f"The adapter {name} does not act: on the probe it moves the first token's log probabilities by "
            f"{moved:.3f}, expected at least {ACTS}. Was it trained for this base model?"
        )
