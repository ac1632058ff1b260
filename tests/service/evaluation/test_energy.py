"""Linux's power capping framework as a folder: counters in microjoules that run over at their range."""

from pathlib import Path

import pytest

from service.evaluation.energy import EnergyMeter


def zone(folder: Path, name: str, microjoules: int, most: int = 1_000_000) -> Path:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")
    (folder / name / "max_energy_range_uj").write_text(f"{most}\n")
    return folder / name


def test_all_packages_are_counted_and_their_parts_are_not(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        zone(tmp_path, name, 100)
    meter = EnergyMeter.of(tmp_path)
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        zone(tmp_path, name, 250_100)
    assert meter.joules() == pytest.approx(0.5)
    assert meter.joules() == 0


def test_a_counter_that_runs_over_goes_on(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 900_000)
    meter = EnergyMeter.of(tmp_path)
    zone(tmp_path, "intel-rapl:0", 100_000)
    assert meter.joules() == pytest.approx(0.2)


def test_where_nothing_counts_there_is_no_figure(tmp_path: Path) -> None:
    assert EnergyMeter.of(tmp_path).joules() is None
    assert EnergyMeter.of(tmp_path / "missing").joules() is None
    (zone(tmp_path, "intel-rapl:0", 1) / "energy_uj").write_text("not a number")
    assert EnergyMeter.of(tmp_path).joules() is None
