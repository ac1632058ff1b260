import json

from ingest.records import Failure
from ingest.report import SyncReport

REPORT = SyncReport(
    "docs-f",
    added=("a.md",),
    changed=("b.md",),
    unchanged=3,
    failed=(Failure("c.pdf", "It is encrypted.", "2026-01-01T00:00:00+00:00"),),
    skipped=("d.png",),
    embedded=7,
    seconds=1.5,
)


def test_a_report_survives_json() -> None:
    assert SyncReport.from_json(json.loads(json.dumps(REPORT.to_json()))) == REPORT


def test_parts_add_up() -> None:
    second = SyncReport("docs-f", added=("e.md",), removed=("f.md",), unchanged=5, embedded=1, seconds=0.5)
    both = REPORT + second
    assert both.added == ("a.md", "e.md")
    assert both.removed == ("f.md",)
    assert both.failed == REPORT.failed
    assert (both.embedded, both.seconds) == (8, 2.0)
    assert both.unchanged == 3, "what the first part put in, the second sees as unchanged"
