"""Team-draft interleaving: two rankings become one, and each passage knows which of the two put it there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.documents import Passage
from service.experiments.assign import bucket
from service.fusion import alike

Team = Literal[0, 1]
Rankings = tuple[Sequence[Passage], Sequence[Passage]]


@dataclass(frozen=True, slots=True)
class Drafted:
    """`team` is None where the passage is shown, but is nobody's merit."""

    passage: Passage
    team: Team | None


def team_draft(rankings: Rankings, limit: int, coins: Iterable[Team]) -> tuple[Drafted, ...]:
    """At most `limit` passages, no text twice; a coin for every two says who drafts first.

    As two captains pick their teams (Radlinski, Kurup and Joachims 2008). One thing is stricter here, since our
    rankings are short: a round in which one team has nothing left to pick counts for nobody, nor does a last single
    place for which both would pick the same text, so one passage that both found is a tie, no toss. Whatever the
    rankings are, the teams differ by one passage at most, and over all coins by none: who cites at random prefers
    nobody.
    """
    drafted: list[Drafted] = []
    for first in coins:
        picks = picked(rankings, drafted, first, limit - len(drafted))
        if not picks:
            break
        drafted += picks
    for passage in sorted([*rankings[0], *rankings[1]], key=lambda one: -one.score):
        if len(drafted) < limit and is_new(passage, drafted):
            drafted.append(Drafted(passage, None))
    return tuple(drafted)


def picked(rankings: Rankings, drafted: Sequence[Drafted], first: Team, places: int) -> list[Drafted]:
    """A round: each team's best that is new. Empty if either has none.

    A last single place is for the first team's alone, and nobody's merit where the second would pick the same.
    """
    second: Team = 0 if first else 1
    own, others = (best_new(rankings[team], drafted) for team in (first, second))
    if own is None or others is None or places < 1:
        return []
    if places == 1:
        return [Drafted(own, None if same_text(own, others) else first)]
    pick = Drafted(own, first)
    answer = best_new(rankings[second], [*drafted, pick])
    return [pick, Drafted(answer, second)] if answer else []


def best_new(ranking: Sequence[Passage], drafted: Sequence[Drafted]) -> Passage | None:
    return next((passage for passage in ranking if is_new(passage, drafted)), None)


def is_new(passage: Passage, drafted: Sequence[Drafted]) -> bool:
    return not any(same_text(passage, one.passage) for one in drafted)


def same_text(one: Passage, other: Passage) -> bool:
    """Whether the texts are alike, or one has all of the other, as where two splitters cut one page.

    Chunk ids differ between collections. Which was drafted first makes no difference: the longer one, too, is left
    out after a part of it, or long passages would be shown more often than short ones.
    """
    shorter, longer = sorted((" ".join(one.text.split()), " ".join(other.text.split())), key=len)
    return shorter in longer or alike(one, other)


def tossed(seed: str, answer: str, rounds: int) -> list[Team]:
    """Who drafts first in each round of this answer: always the same for the same seed and id."""
    return [0 if (bucket(seed, f"{answer}/{number}", 2) or 0.0) < 0.5 else 1 for number in range(rounds)]
