"""What the machine has used between two answers, where its processors count energy and let us read it."""

from dataclasses import dataclass, field
from pathlib import Path

# Linux's power capping framework; one zone for each processor package, its parts below it.
# Source: Documentation/power/powercap/powercap.rst in Linux.
ZONES = Path("/sys/class/powercap")
PACKAGE = "*-rapl:?"
MICRO = 1e-6


@dataclass
class EnergyMeter:
    """Joules of all packages: of everything that ran on the machine, ours or not."""

    zones: tuple[Path, ...]
    last: dict[Path, int] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path = ZONES) -> "EnergyMeter":
        """It counts from now on; nothing without a counter, or the right to read it (since Linux 5.10, root)."""
        meter = cls(tuple(zone for zone in sorted(folder.glob(PACKAGE)) if readable(zone)))
        meter.joules()
        return meter

    def joules(self) -> float | None:
        """Since the last call; None where nothing counts."""
        if not self.zones:
            return None
        return sum(self.used(zone) for zone in self.zones) * MICRO

    def used(self, zone: Path) -> int:
        """A counter that has come to its end starts again at zero."""
        count = number(zone / "energy_uj")
        before = self.last.get(zone, count)
        self.last[zone] = count
        return count - before if count >= before else count - before + number(zone / "max_energy_range_uj")


def readable(zone: Path) -> bool:
    try:
        number(zone / "energy_uj")
        number(zone / "max_energy_range_uj")
    except (OSError, ValueError):
        return False
    return True


def number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
