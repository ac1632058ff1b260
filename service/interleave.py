"""Two searches look for one question, and the model is shown a team draft of both rankings."""

from collections.abc import Sequence

from adapters.prompt import Turn
from service.experiments.team_draft import Drafted, team_draft, tossed
from service.plan import BOTH, Interleaving
from service.retrieve import Found, HybridRetriever, Origin, Way, find


async def find_both(
    retriever: HybridRetriever,
    question: str,
    history: Sequence[Turn],
    *,
    labels: frozenset[str],
    both: Interleaving,
) -> Found:
    """As many passages as one search shows, each with its origin. Raises RetrievalError if either cannot search."""
    ways = [retriever.way(name) for name in both.collections]
    places = ways[0].passages
    # Deeper than what is shown: a team goes on to its next passage where the other one has drafted the same text.
    one, other = [
        await find(retriever, question, history, labels=labels, named=name, limit=2 * places)
        for name in both.collections
    ]
    drafted = team_draft((one.passages, other.passages), places, tossed(both.seed, both.answer, places))
    return Found(
        passages=tuple(pick.passage for pick in drafted),
        query=one.query,
        degraded=one.degraded or other.degraded,
        fingerprint=f"{one.fingerprint}{BOTH}{other.fingerprint}",
        settings=settings_of(ways, both),
        origins=tuple(origin_of(pick, one, ways, both) for pick in drafted),
    )


def settings_of(ways: Sequence[Way], both: Interleaving) -> dict[str, float | str]:
    """The first search's, and under its name what is otherwise in the second."""
    one, other = (way.settings() for way in ways)
    return one | {f"{both.collections[1]} {name}": value for name, value in other.items() if one.get(name) != value}


def origin_of(pick: Drafted, one: Found, ways: Sequence[Way], both: Interleaving) -> Origin:
    """A chunk's id belongs to one collection only."""
    way = ways[0 if pick.passage in one.passages else 1]
    return Origin(way.searched, None if pick.team is None else both.arms[pick.team])
