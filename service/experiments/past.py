"""What users said before the experiment, and how much of their later ratings it foretells (CUPED)."""

from collections.abc import Mapping, Sequence

from service.experiments.sequential import FloatArray
from service.experiments.units import GOAL, Unit, by_arm

LEAST_SHOWN = 0.005


def explained_by(units: Sequence[Unit], arms: Sequence[str], before: Mapping[str, float]) -> float | None:
    """The part (0 to 1) of the ratings' variance within the arms that earlier ones take away (Deng et al. 2013).

    `before` is each unit's mean rating from before. None where no unit has a past, or the ratings do not differ.
    """
    if not any(unit.name in before for unit in units):
        return None
    plain = within(by_arm(units, arms, GOAL, {}))
    return max(0.0, 1 - within(by_arm(units, arms, GOAL, before)) / plain) if plain else None


def within(values: Mapping[str, FloatArray]) -> float:
    """The squares of what units differ from their own arm's mean, added up."""
    return float(sum(((one - one.mean()) ** 2).sum() for one in values.values() if len(one)))


def spread_of(values: Mapping[str, FloatArray]) -> float:
    """The standard deviation of a unit's value within an arm; 0 without two units in one."""
    freedom = sum(len(one) - 1 for one in values.values() if len(one))
    return float((within(values) / freedom) ** 0.5) if freedom else 0.0


def past_sentence(with_past: int, units: int, explained: float | None) -> str:
    """What was done with earlier ratings, or why nothing was."""
    if not with_past:
        return "No user had an answer before the experiment, so the ratings stand as they are (no CUPED)."
    told = (
        f"{with_past:,} of {units:,} users had answers before; their ratings are less what those foretell (CUPED)"
    )
    if not explained or explained < LEAST_SHOWN:
        return f"{told}, which here is nothing: the earlier ratings are alike, or go with none of the later ones."
    return f"{told}. That takes {explained:.0%} of the ratings' variance away."
