"""Does the model use its sources less with the adapter on? The interaction that decides whether both layers pay."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.evaluation.effects import Effect, Effects
from service.evaluation.grid import Change, Grid, Levels, change_of, mean_of_known

LOOKED_AT = ("k_coverage", "k_precision", "right_citation")


@dataclass(frozen=True, slots=True)
class SourceUse:
    """What the adapter changes where retrieval is on; `interaction` is retrieval x adapter on the goal."""

    sentence: str
    interaction: Effect
    changes: Mapping[str, Change]


def source_use(grid: Grid, levels: Levels, effects: Effects) -> SourceUse:
    changes = {metric: adapter_change(grid, metric, levels) for metric in LOOKED_AT}
    interaction = effects.of("interaction")["retrieval x adapter"]
    return SourceUse(sentence(changes["k_coverage"], changes["k_precision"]), interaction, changes)


def adapter_change(grid: Grid, metric: str, levels: Levels) -> Change:
    """On minus off with retrieval on, averaged over the prompt's two levels."""
    with_sources = grid.scores(metric, levels)[:, :, 1, :]
    return change_of(mean_of_known(with_sources[:, :, 1] - with_sources[:, :, 0]), grid.groups)


def sentence(coverage: Change, precision: Change) -> str:
    told, taken = direction(coverage), direction(precision)
    if told == taken == "unknown":
        return (
            "Whether the model uses its sources less with the adapter on is not measured: too few answers show it."
        )
    return (
        f"With the adapter on, the model says {as_words(told)} of what its sources hold of the right answer "
        f"(K-coverage {measured(coverage)}), and {as_words(taken)} of its words stand in its sources "
        f"(K-precision {measured(precision)})."
    )


def direction(change: Change) -> str:
    if change.interval is None:
        return "unknown"
    if change.interval.high < 0:
        return "less"
    return "more" if change.interval.low > 0 else "open"


def as_words(found: str) -> str:
    return {
        "less": "less",
        "more": "more",
        "open": "neither clearly more nor clearly less",
        "unknown": "an unmeasured part",
    }[found]


def measured(change: Change) -> str:
    if change.mean is None:
        return "not measured"
    if change.interval is None:
        return f"{change.mean:+.3f}"
    return f"{change.mean:+.3f}, 95 % interval {change.interval.low:+.3f} to {change.interval.high:+.3f}"
