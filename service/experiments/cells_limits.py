"""What the figures of experiments that ran together do not say, in sentences."""

from collections.abc import Iterator

from service.experiments.cells import CellsReport
from service.experiments.limits import TOO_SHORT, WEEK
from service.experiments.sequential import FEWEST_UNITS

ALWAYS = (
    "Only who met all of these experiments counts; each experiment's own report counts everybody, takes earlier "
    "ratings into account (CUPED), and watches its guardrails: what to ship is said there.",
    "A layer's effect is over the other layers' arms as they were met: where layers depend on each other, another "
    "mix has another effect.",
    "Two combinations whose intervals are apart were not tested against each other; the interactions were.",
    "An answer that nobody rated counts 0: a combination whose users say more moves further from 0.",
    "An answer that a layer could not change counts, too, as where search finds nothing: it makes effects smaller.",
    "The intervals at any look rest on a normal limit: they are good from some dozens of users on, not exact.",
    "A user who comes back changes a mean that was counted already; the interval's proof does not cover that; in "
    "simulations it held.",
    "The alarm for the cells' sizes is a test for one look: looked at often, chance rings it somewhat more often "
    "than once in a thousand times.",
)
TWO = 2


def limits(report: CellsReport) -> list[str]:
    return [*found(report), *ALWAYS]


def found(report: CellsReport) -> Iterator[str]:
    """What only these experiments lack."""
    if report.days < WEEK:
        yield TOO_SHORT
    if min(cell.units for cell in report.cells) < FEWEST_UNITS:
        yield f"Below {FEWEST_UNITS} users in a combination it has no interval, nor have its interactions."
    if len(report.experiments) > TWO:
        yield "Whether three layers together do more than each two of them is not tested."
