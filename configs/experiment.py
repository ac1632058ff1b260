"""An experiment as the settings have it: a layer, its arms, whom it takes, and who keeps an arm."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from configs.section import Section, Share, spelled_out, twice
from configs.slot import MOST_ATTRIBUTES, AttributeName, AttributeValue, Namespace, Slot


class Arm(Section):
    """`value` is `on`, `off`, or what to put in the layer: a prompt label, a collection, an adapter."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    value: Annotated[str, BeforeValidator(spelled_out)]
    share: Share


class Experiment(Section):
    """`active` holds until someone starts or stops it by command, and only from `starts` until `ends`.

    Two experiments on one layer take different parts of one `namespace`, or run at different times.
    `interleave`: two searches look for each answer; the two numbers below then mean answers, and a lead.

    `decision_at` is the number of users, all arms together, at which someone means to decide; `smallest_effect` the
    change of the mean rating (-1 to 1) that would be worth it, and the most that a guardrail may lose.

    `only` takes users whose request sends these attributes, each with one of the values listed for it. `sticky`:
    who was exposed to an arm keeps it, whatever becomes of shares, coverage, namespace and `only`. A higher
    `bucket_version` lets go of all kept arms and counts anew; who was exposed under a version below
    `min_bucket_version` takes no part any more.
    """

    key: str = Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")
    factor: Literal["prompt", "retrieval", "adapter"]
    seed: str
    coverage: Share
    active: bool
    arms: tuple[Arm, ...] = Field(min_length=2)
    decision_at: int = Field(1000, gt=0)
    smallest_effect: float = Field(0.05, gt=0, le=1)
    namespace: Namespace | None = None
    starts: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    only: dict[AttributeName, Annotated[tuple[AttributeValue, ...], Field(min_length=1)]] = Field(
        {}, max_length=MOST_ATTRIBUTES
    )
    sticky: bool = True
    bucket_version: int = Field(0, ge=0)
    min_bucket_version: int = Field(0, ge=0)
    interleave: bool = False

    @model_validator(mode="after")
    def shares_make_a_whole(self) -> "Experiment":
        total = sum(arm.share for arm in self.arms)
        if not 0.99 <= total <= 1.01:
            raise ValueError(f"the arms' shares add up to {total:g}, expected 1")
        return self

    @model_validator(mode="after")
    def each_arm_has_its_name(self) -> "Experiment":
        if names := twice([arm.name for arm in self.arms]):
            raise ValueError(
                f"more than one arm is named {', '.join(names)}; answers are counted by the arm's name"
            )
        return self

    @model_validator(mode="after")
    def something_is_left(self) -> "Experiment":
        if self.namespace and self.namespace.start >= self.namespace.end:
            raise ValueError(f"its part of the namespace {self.namespace.name!r} is empty: start is not before end")
        if self.starts and self.ends and self.starts >= self.ends:
            raise ValueError("it ends before it starts")
        return self

    @model_validator(mode="after")
    def two_searches_to_interleave(self) -> "Experiment":
        arms = {arm.value for arm in self.arms if arm.value != "off" and arm.share == 0.5}
        if self.interleave and (self.factor != "retrieval" or len(arms) != 2 or len(self.arms) != 2):
            raise ValueError(
                "interleave needs retrieval as its factor, and two collections or searches at a share of 0.5 each"
            )
        return self

    @model_validator(mode="after")
    def versions_fit(self) -> "Experiment":
        if self.min_bucket_version > self.bucket_version:
            raise ValueError(
                f"min_bucket_version {self.min_bucket_version} is above bucket_version {self.bucket_version}; "
                "raise bucket_version, too"
            )
        if self.min_bucket_version and not self.sticky:
            raise ValueError("min_bucket_version looks at earlier exposures; expected sticky: on with it")
        return self

    @property
    def slot(self) -> Slot:
        return Slot(self.namespace, self.starts, self.ends, self.only)
