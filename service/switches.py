"""What a request may switch: the layers and the sampling, checked against what exists."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from service.plan import FACTORS, Exposure, Factor, Layers, Plan


class SwitchRefused(ValueError):
    """A layer was asked for something that does not exist; `known` is what does."""

    def __init__(self, layer: str, asked: str, known: Collection[str]) -> None:
        self.layer, self.asked, self.known = layer, asked, tuple(sorted(known))
        names = ", ".join(self.known) or "nothing yet"
        super().__init__(f"The {layer} layer has no {asked!r}: expected 'on', 'off' or one of {names}.")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What one request changes; a layer is `on`, `off` or a name, None leaves it as it is."""

    prompt: str | None = None
    retrieval: str | None = None
    adapter: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What can stand in the layers. `promoted` maps an adapter's bare name to its NAME@VERSION."""

    prompts: frozenset[str]
    collections: frozenset[str]
    adapters: frozenset[str]
    promoted: Mapping[str, str]

    def value(self, factor: Factor, name: str) -> str:
        """The full name; raises SwitchRefused where there is none."""
        if factor == "adapter":
            name = self.promoted.get(name, name)
        names = self.names(factor)
        if name not in names:
            raise SwitchRefused(factor, name, names)
        return name

    def names(self, factor: Factor) -> frozenset[str]:
        return {"prompt": self.prompts, "retrieval": self.collections, "adapter": self.adapters}[factor]


def switched(plan: Plan, factor: Factor, asked: str, origin: str, configured: Layers, known: Known) -> Plan:
    """`on` is what the configuration names for the layer, `off` is nothing, anything else a name."""
    if asked == "off":
        return plan.put(factor, None, origin)
    name = getattr(configured, factor) if asked == "on" else asked
    return plan.put(factor, known.value(factor, name), origin)


def expose(plan: Plan, exposures: Sequence[Exposure], configured: Layers, known: Known) -> Plan:
    """The plan with the arms that experiments gave."""
    for exposure in exposures:
        origin = f"experiment:{exposure.experiment}"
        plan = switched(plan, exposure.factor, exposure.value, origin, configured, known)
    return replace(plan, exposures=(*plan.exposures, *exposures))


def resolve(plan: Plan, overrides: Overrides, configured: Layers, known: Known) -> Plan:
    """The plan as this request wants it; a layer that it sets takes part in no experiment."""
    asked = {factor: value for factor in FACTORS if (value := getattr(overrides, factor)) is not None}
    for factor, value in asked.items():
        plan = switched(plan, factor, value, "request", configured, known)
    sampling = ("max_tokens", "temperature", "top_p", "seed")
    given = {name: value for name in sampling if (value := getattr(overrides, name)) is not None}
    kept = tuple(exposure for exposure in plan.exposures if exposure.factor not in asked)
    return replace(plan, exposures=kept, **given)
