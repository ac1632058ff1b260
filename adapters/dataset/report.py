"""What a check found: whether training may start, how many examples are good, and where to look."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapters.dataset.entries import Finding
from adapters.examples import ExampleError

# The kinds that stop a training, and the share of the examples that may have them.
ALLOWED = {
    "shape": 0.0,
    "empty": 0.0,
    "leak": 0.0,
    "access": 0.0,
    "personal": 0.0,
    "no-document": 0.0,
    "too-long": 0.01,
    "facts": 0.02,
}
# An example with one of these is still a good one.
REMARKS = frozenset({"left-out", "unreadable", "near-question", "not-you", "no-next-step", "section", "balance"})
ENOUGH, PLENTY = 500, 1000
SHOWN = 10


class DatasetRefused(ExampleError):
    """Nothing is trained on examples that fail the check."""


@dataclass(frozen=True, slots=True)
class Report:
    """`places` are of the examples that could be read, `others` of those about other pages; `figures` are counts;
    `not_checked` are sentences.
    """

    places: tuple[str, ...]
    findings: tuple[Finding, ...]
    figures: dict[str, int]
    not_checked: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def found(self) -> set[tuple[str, str]]:
        """Each kind of finding with its places, once."""
        return {(finding.kind, finding.place) for finding in self.findings}

    @property
    def counts(self) -> Counter[str]:
        """How many places have each kind of finding."""
        return Counter(kind for kind, _ in self.found)

    @property
    def failures(self) -> list[str]:
        """The kinds that stop a training. Many good examples about other pages do not make up for own ones."""
        others = frozenset(self.others)
        counts = Counter((kind, place in others) for kind, place in self.found)
        sizes = {False: len(self.places), True: len(others)}
        return [
            kind
            for kind, allowed in ALLOWED.items()
            if any(counts[kind, other] > allowed * size for other, size in sizes.items())
        ]

    @property
    def passed(self) -> bool:
        return bool(self.places) and not self.failures

    @property
    def good(self) -> int:
        """Examples about which nothing but a remark was found."""
        spoilt = {finding.place for finding in self.findings if finding.kind not in REMARKS}
        return sum(place not in spoilt for place in self.places)


def verdict(good: int) -> str:
    """Are there 500 to 1,000 good examples?"""
    if good < ENOUGH:
        return f"No: {good} good examples; {ENOUGH - good} more make the {ENOUGH} that a house style starts from."
    if good <= PLENTY:
        return f"Yes: {good} good examples, within {ENOUGH} to {PLENTY:,}."
    return f"Yes, and more: {good} good examples; {ENOUGH} to {PLENTY:,} are usually enough."


def insist(report: Report, recipe: str) -> None:
    """Raises DatasetRefused where the check fails."""
    if report.passed:
        return
    first = [next(one for one in report.findings if one.kind == kind) for kind in report.failures]
    told = "; ".join(f"{report.counts[one.kind]} {one.kind}, first {one.place}: {one.message}" for one in first)
    raise DatasetRefused(
        f"The examples fail the check, and nothing is trained on such: {told or 'there are none'}. "
        f"`triptych adapters check {recipe}` tells all."
    )


def as_values(report: Report) -> dict[str, Any]:
    """The whole report for a machine."""
    return {
        "passed": report.passed,
        "failures": report.failures,
        "examples": len(report.places),
        "good": report.good,
        "verdict": verdict(report.good),
        "counts": dict(report.counts),
        "figures": report.figures,
        "not_checked": list(report.not_checked),
        "findings": [asdict(finding) for finding in report.findings],
    }


def as_page(report: Report) -> Group:
    """The report for a person: counts, the first findings of each kind, the answer."""
    figures = ", ".join(f"{count} {name}" for name, count in report.figures.items())
    result = Text("The check passes.", "green") if report.passed else Text("The check fails.", "red")
    remarks = [Text(f"Not checked: {sentence}", "dim") for sentence in report.not_checked]
    tables = counts_table(report), findings_table(report)
    return Group(*tables, Text(figures), *remarks, Text(verdict(report.good)), result)


def counts_table(report: Report) -> Table:
    table = Table("Finding", "Examples", "Share", "Allowed", "")
    examples = max(len(report.places) + len(report.others), 1)
    for kind, count in sorted(report.counts.items(), key=lambda pair: (pair[0] not in ALLOWED, pair[0])):
        allowed = f"{ALLOWED[kind]:.0%}" if kind in ALLOWED else "-"
        mark = Text("fails", "red") if kind in report.failures else Text("remark" if kind in REMARKS else "warning")
        table.add_row(kind, str(count), f"{count / examples:.1%}", allowed, mark)
    return table


def findings_table(report: Report) -> Table:
    table = Table("Place", "Finding", "What")
    for kind in sorted(report.counts):
        found = [finding for finding in report.findings if finding.kind == kind]
        for finding in found[:SHOWN]:
            # Text: an example may hold what looks like rich's markup.
            table.add_row(Text(finding.place), finding.kind, Text(finding.message))
        if len(found) > SHOWN:
            table.add_row("...", kind, f"{len(found) - SHOWN} more; --json tells all")
    return table
