"""What a request may switch: the layers and the sampling, checked against what exists."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.strength import split_strength, with_strength
from service.plan import BOTH, FACTORS, Exposure, Factor, Interleaving, Layers, Plan


class SwitchRefused(ValueError):
    """A layer was asked for something that does not exist; `known` is what does."""

    def __init__(self, layer: str, asked: str, known: Collection[str]) -> None:
        self.layer, self.asked, self.known = layer, asked, tuple(sorted(known))
        names = ", ".join(self.known) or "nothing yet"
        strength = ", each with a strength after it if you like (NAME*0.5)" if layer == "adapter" else ""
        super().__init__(f"The {layer} layer has no {asked!r}: expected 'on', 'off' or one of {names}{strength}.")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What one request changes; a layer is `on`, `off` or a name, None leaves it as it is.

    `adapter_strength` (0 to 1.5, 0 is off) is that of whatever adapter then stands in the layer.
    """

    prompt: str | None = None
    retrieval: str | None = None
    adapter: str | None = None
    adapter_strength: float | None = None
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
        """The full name. Raises SwitchRefused where there is none, AdapterRefused for a strength out of range."""
        if factor == "adapter":
            bare, strength = split_strength(name)
            return with_strength(self.full(factor, self.promoted.get(bare, bare)), strength)
        return self.full(factor, name)

    def full(self, factor: Factor, name: str) -> str:
        if name not in self.names(factor):
            raise SwitchRefused(factor, name, self.names(factor))
        return name

    def names(self, factor: Factor) -> frozenset[str]:
        return {"prompt": self.prompts, "retrieval": self.collections, "adapter": self.adapters}[factor]


def switched(plan: Plan, factor: Factor, asked: str, origin: str, configured: Layers, known: Known) -> Plan:
    """`on` is what the configuration names for the layer, `off` is nothing, anything else a name."""
    if asked == "off":
        return plan.put(factor, None, origin)
    return plan.put(factor, meant(factor, asked, configured, known), origin)


def meant(factor: Factor, asked: str, configured: Layers, known: Known) -> str:
    """The full name of what `on`, or a name, puts into the layer. Raises SwitchRefused, AdapterRefused."""
    return known.value(factor, getattr(configured, factor) if asked == "on" else asked)


def strengthened(plan: Plan, strength: float, known: Known) -> Plan:
    """The plan's adapter at this strength, 0 to 1.5. Raises SwitchRefused if there is none."""
    adapter = plan.layers.adapter
    if adapter is None:
        raise SwitchRefused("adapter", f"off*{strength:g}", known.adapters)
    bare, _ = split_strength(adapter)
    return plan.put("adapter", with_strength(bare, strength) if strength else None, "request")


def expose(plan: Plan, exposures: Sequence[Exposure], configured: Layers, known: Known) -> Plan:
    """The plan with the arms that experiments gave."""
    for exposure in exposures:
        origin = f"experiment:{exposure.experiment}"
        if exposure.draft_seed is not None:
            plan = plan.interleave(interleaving(exposure, exposure.draft_seed, configured, known), origin)
        else:
            plan = switched(plan, exposure.factor, exposure.value, origin, configured, known)
    return replace(plan, exposures=(*plan.exposures, *exposures))


def interleaving(exposure: Exposure, seed: str, configured: Layers, known: Known) -> Interleaving:
    """Of an exposure to two arms at once."""
    one, other = exposure.arm.split(BOTH)
    first, second = (meant("retrieval", value, configured, known) for value in exposure.value.split(BOTH))
    return Interleaving(exposure.experiment, seed, (one, other), (first, second))


def resolve(plan: Plan, overrides: Overrides, configured: Layers, known: Known) -> Plan:
    """The plan as this request wants it; a layer that it sets takes part in no experiment."""
    asked = {factor: value for factor in FACTORS if (value := getattr(overrides, factor)) is not None}
    for factor, value in asked.items():
        plan = switched(plan, factor, value, "request", configured, known)
    if overrides.adapter_strength is not None:
        plan = strengthened(plan, overrides.adapter_strength, known)
        asked |= {"adapter": ""}
    sampling = ("max_tokens", "temperature", "top_p", "seed")
    given = {name: value for name in sampling if (value := getattr(overrides, name)) is not None}
    kept = tuple(exposure for exposure in plan.exposures if exposure.factor not in asked)
    return replace(plan, exposures=kept, **given)
