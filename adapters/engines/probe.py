"""Does an adapter act, and as it did when it was trained? One fixed prompt, and the first token's probabilities."""

from collections.abc import AsyncIterator
from math import exp

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.outputs import ChatGenerationChunk

from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError, Generation

MESSAGES = [
    SystemMessage("You answer visitors of a public service."),
    HumanMessage("When are you open, and whom do I call if I am late?"),
]
GENERATION = Generation(max_tokens=1, logprobs=10)

# In natural logarithms. The same weights, each reading the prompt for the first time, differ by 0 (llama.cpp,
# torch) to about 0.05 (bf16 server); llama.cpp with the prompt in its cache by up to 0.23.
ACTS = 0.1

# Of a token's probability: the shipped adapters in 4 and 8 bits are within 0.02 of torch in float32, and the base
# is 0.4 or more away from the house styles, 0.26 from the ranker.
MET = 0.1

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


def check(adapter: AdapterWeights, base: Top, adapted: Top) -> None:
    """By the base's first token and the adapted one's. Raises AdapterRefused."""
    check_acts(adapter.name, base, adapted)
    check_met(adapter.name, dict(adapter.probe), adapted)


def check_met(name: str, kept: Top, adapted: Top) -> None:
    """Only tokens that the engine lists count: OpenVINO lists the likeliest alone."""
    if not kept:
        return
    token = max(adapted, key=lambda one: abs(exp(adapted[one]) - known(kept, one)))
    apart = abs(exp(adapted[token]) - known(kept, token))
    if not apart <= MET:
        raise AdapterRefused(
            f"The adapter {name} acts otherwise than after its training: on the probe {token!r} has a probability "
            f"of {exp(adapted[token]):.2f}, in its card {known(kept, token):.2f} (at most {MET} apart). Was it "
            "converted whole, and for this base?"
        )


def known(kept: Top, token: str) -> float:
    return exp(kept[token]) if token in kept else 0.0
