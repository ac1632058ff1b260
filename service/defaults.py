"""What answers are made of when a request says nothing; from here every plan starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.experiments.assign import Experiment
from service.plan import FACTORS, Exposure, Factor, Layers, Plan
from service.switches import Known, Overrides, expose, resolve, switched


@dataclass(frozen=True, slots=True)
class Defaults:
    """The configuration's values. `layers` is what `on` means in each layer, `switches` whether it is on.

    `history_turns` earlier turns are seen by search and model. `no_answer` is said when nothing is found.
    `limits` are told to clients that draw controls.
    """

    name: str
    layers: Layers
    switches: Mapping[Factor, str]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    history_turns: int
    no_answer: str
    experiments: tuple[Experiment, ...] = ()
    limits: Mapping[str, int] | None = None

    def plan(self, overrides: Overrides, known: Known, exposures: Sequence[Exposure] = ()) -> Plan:
        """The configuration, then the arms that experiments gave, then the request: the later one decides.

        Raises SwitchRefused for what does not exist.
        """
        plan = self.bare()
        for factor in FACTORS:
            plan = switched(plan, factor, self.switches[factor], "configuration", self.layers, known)
        return resolve(expose(plan, exposures, self.layers, known), overrides, self.layers, known)

    def bare(self) -> Plan:
        """Without any layer, and nobody who decided so."""
        nothing = Layers(None, None, None)
        return Plan(nothing, {}, self.max_tokens, self.temperature, self.top_p, self.seed)

    def as_dict(self, known: Known) -> dict[str, object]:
        """What a page needs to draw the switches."""
        layers = {
            factor: {
                "switch": self.switches[factor],
                "name": getattr(self.layers, factor),
                "known": sorted(known.names(factor)),
            }
            for factor in FACTORS
        }
        sampling = {name: getattr(self, name) for name in ("max_tokens", "temperature", "top_p", "seed")}
        return {"name": self.name, "layers": layers, "sampling": sampling, "limits": dict(self.limits or {})}
