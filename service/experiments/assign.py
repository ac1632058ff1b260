"""Who gets which arm: GrowthBook's published hashing (version 2), so that every SDK of theirs agrees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from configs.slot import Namespace, Slot
from service.plan import BOTH, Exposure, Factor

Range = tuple[float, float]


class UnitRefused(ValueError):
    """An id that languages hash differently; only ASCII text is one and the same everywhere."""


@dataclass(frozen=True, slots=True)
class Arm:
    """`value` is what the arm puts into its layer: `on`, `off`, or a name. `share` is its part of the units."""

    name: str
    value: str
    share: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """A factor (layer) with its arms, the first of them the control. Units outside `coverage` (0..1) take no part.

    Nor do units outside its `slot`, nor anybody outside the slot's dates. `active`: whether it runs where nobody
    started or stopped it. `decision_at` is the number of units, all arms
    together, at which someone means to decide; `smallest_effect` the change of a unit's mean rating (-1 to 1) that
    would be worth it, and the most that a guardrail may lose. `kept_arm` and `is_blocked` say what `sticky`,
    `bucket_version` and `min_bucket_version` do.

    `interleave`: a unit gets both of the two arms in each answer; `decision_at` then counts answers, and
    `smallest_effect` is the lead (-1 to 1) that would be worth it.
    """

    key: str
    factor: Factor
    seed: str
    coverage: float
    arms: tuple[Arm, ...]
    active: bool = True
    decision_at: int = 1000
    smallest_effect: float = 0.05
    slot: Slot = Slot()
    sticky: bool = True
    bucket_version: int = 0
    min_bucket_version: int = 0
    interleave: bool = False

    @property
    def exposed_arms(self) -> tuple[str, ...]:
        """What units are exposed to: one of the arms, or both at once."""
        names = tuple(arm.name for arm in self.arms)
        return (BOTH.join(names),) if self.interleave else names


def assign(
    experiments: Sequence[Experiment], unit: str, attributes: Mapping[str, str], past: Sequence[Exposure]
) -> list[Exposure]:
    """The unit's arm in every experiment that takes it: the one it keeps, else that of its hash.

    `past` are the unit's exposures, the oldest first. On a layer where an arm is kept, no other experiment takes
    the unit: a changed namespace could put it into two. Raises UnitRefused.
    """
    if not unit or not unit.isascii():
        raise UnitRefused(f"Expected a user id of ASCII characters, got {unit!r}; send another, stable id.")
    kept: dict[Factor, Exposure] = {}
    for one in experiments:
        if arm := kept_arm(one, past):
            kept.setdefault(one.factor, exposure(one, arm, unit))
    free = [one for one in experiments if one.factor not in kept and not is_blocked(one, past)]
    drawn = [(one, arm_of(one, unit)) for one in free if one.slot.takes(attributes)]
    return [*kept.values(), *(exposure(one, arm, unit) for one, arm in drawn if arm)]


def exposure(experiment: Experiment, arm: Arm, unit: str) -> Exposure:
    """To the arm, or to both where they are interleaved."""
    version = experiment.bucket_version
    if not experiment.interleave:
        return Exposure(experiment.key, arm.name, unit, experiment.factor, arm.value, version)
    [both], values = experiment.exposed_arms, BOTH.join(one.value for one in experiment.arms)
    return Exposure(experiment.key, both, unit, experiment.factor, values, version, experiment.seed)


def kept_arm(experiment: Experiment, past: Sequence[Exposure]) -> Arm | None:
    """The arm of the unit's last exposure under this bucket version to an arm that there still is.

    GrowthBook's sticky bucketing, from the recorded exposures in place of a document for each user.
    """
    if not experiment.sticky or is_blocked(experiment, past):
        return None
    # Of interleaved arms any: the exposure is to both.
    arms = dict(zip(experiment.exposed_arms, experiment.arms, strict=False))
    now = (experiment.key, experiment.bucket_version)
    met = [one.arm for one in past if (one.experiment, one.bucket_version) == now]
    return next((arms[name] for name in reversed(met) if name in arms), None)


def is_blocked(experiment: Experiment, past: Sequence[Exposure]) -> bool:
    """Whether the unit was exposed under a version that is too old, as one with a fault; it takes no part."""
    versions = [one.bucket_version for one in past if one.experiment == experiment.key]
    return any(version < experiment.min_bucket_version for version in versions)


def arm_of(experiment: Experiment, unit: str) -> Arm | None:
    if experiment.slot.namespace and not in_namespace(unit, experiment.slot.namespace):
        return None
    shares = [arm.share for arm in experiment.arms]
    index = choose_variation(
        bucket(experiment.seed, unit, 2) or 0.0,
        bucket_ranges(len(shares), experiment.coverage, shares),
    )
    return experiment.arms[index] if index >= 0 else None


def fnv32a(text: str) -> int:
    """FNV-1a, 32 bits, over UTF-16 code units as JavaScript counts them."""
    value = 0x811C9DC5
    units = text.encode("utf-16-le", errors="surrogatepass")
    for low, high in zip(units[::2], units[1::2], strict=True):
        value = ((value ^ (high << 8 | low)) * 0x01000193) & 0xFFFFFFFF
    return value


def bucket(seed: str, value: str, version: int) -> float | None:
    """Where the value falls in 0..1; None for a version that is not known."""
    if version == 2:
        return fnv32a(str(fnv32a(seed + value))) % 10000 / 10000
    return fnv32a(value + seed) % 1000 / 1000 if version == 1 else None


def equal_weights(count: int) -> list[float]:
    return [1 / count] * count if count > 0 else []


def bucket_ranges(count: int, coverage: float, weights: Sequence[float] | None) -> list[Range]:
    """A range for each arm; less coverage shrinks each from its own start, so that nobody changes the arm.

    Weights of a wrong number or sum are replaced by equal ones, as in GrowthBook.
    """
    coverage = min(max(coverage, 0.0), 1.0)
    fitting = weights is not None and len(weights) == count and 0.99 <= sum(weights) <= 1.01
    used = weights if weights is not None and fitting else equal_weights(count)
    starts = [sum(used[:index]) for index in range(count)]
    return [(start, start + coverage * weight) for start, weight in zip(starts, used, strict=True)]


def choose_variation(value: float, ranges: Sequence[Range]) -> int:
    """The index of the first range that holds the value, or -1."""
    return next((index for index, (start, end) in enumerate(ranges) if start <= value < end), -1)


def in_namespace(unit: str, namespace: Namespace) -> bool:
    """Whether the unit is in this part of a namespace, which keeps experiments apart."""
    name, start, end = namespace
    return start <= (bucket(f"__{name}", unit, 1) or 0.0) < end
