import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from configs.slot import Namespace, Slot
from service.experiments.assign import (
    Arm,
    Experiment,
    UnitRefused,
    arm_of,
    assign,
    bucket,
    bucket_ranges,
    choose_variation,
    equal_weights,
    in_namespace,
)
from service.plan import FACTORS, Factor

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "growthbook"
HASHES: list[tuple[str, str, int, float | None]] = [
    ("seed", "a", 2, 0.0505),
    ("foo", "def", 2, 0.2019),
    ("layer-prompt", "user-1", 2, 0.3169),
    ("layer-prompt", "😀", 2, 0.2569),
    ("exp", "", 2, 0.4206),
    ("", "a", 1, 0.22),
    ("abc", "def", 99, None),
]

CHI_SQUARED_7_AT_0_001 = 24.32


def cases(group: str, file: str = "growthbook_cases.json") -> list[list[Any]]:
    path = PUBLISHED / file
    if not path.is_file():
        pytest.skip(f"GrowthBook's published cases are not here ({path.name})")
    rows: list[list[Any]] = json.loads(path.read_text(encoding="utf-8"))[group]
    assert rows
    return rows


def halves(factor: Factor, coverage: float = 1.0, share: float = 0.5) -> Experiment:
    arms = (Arm("with", "on", share), Arm("without", "off", 1 - share))
    return Experiment(f"{factor}-2026", factor, f"layer-{factor}", coverage, arms)


def test_parts_of_a_namespace_share_the_units_out() -> None:
    """Each unit in one of two on the same layer, never in both; the arm is the one without a part."""
    whole = halves("adapter")
    parts = [replace(whole, slot=Slot(Namespace("adapters", *part))) for part in ((0, 0.3), (0.3, 1))]
    units = [f"user-{number}" for number in range(10_000)]
    arms = [(arm_of(whole, unit), *(arm_of(part, unit) for part in parts)) for unit in units]
    assert all({alone} == {arm for arm in in_parts if arm} for alone, *in_parts in arms)
    assert all(in_parts.count(None) == 1 for _, *in_parts in arms)
    assert abs(sum(first is not None for _, first, _ in arms) / len(arms) - 0.3) < 0.02


@pytest.mark.parametrize(("seed", "value", "version", "expected"), HASHES)
def test_known_hashes(seed: str, value: str, version: int, expected: float | None) -> None:
    assert bucket(seed, value, version) == expected


@pytest.mark.parametrize("file", ["growthbook_cases.json", "growthbook_hash_extra.json"])
def test_published_hashes(file: str) -> None:
    for seed, value, version, expected in cases("hash", file):
        assert bucket(seed, value, version) == expected, (seed, value)


def test_published_bucket_ranges() -> None:
    for name, (count, coverage, weights), expected in cases("getBucketRange"):
        found = [end for pair in bucket_ranges(count, coverage, weights) for end in pair]
        assert found == pytest.approx([end for pair in expected for end in pair], abs=1e-6), name


def test_published_choices() -> None:
    for name, value, ranges, expected in cases("chooseVariation"):
        assert choose_variation(value, ranges) == expected, name


def test_published_namespaces() -> None:
    for name, unit, namespace, expected in cases("inNamespace"):
        assert in_namespace(unit, Namespace(*namespace)) is expected, name


def test_published_equal_weights() -> None:
    for count, expected in cases("getEqualWeights"):
        assert equal_weights(count) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.9])
def test_shares_hold_over_many_users(share: float) -> None:
    experiment = halves("prompt", share=share)
    arms = Counter(arm_of(experiment, f"user-{number}") for number in range(100_000))
    assert arms[experiment.arms[0]] / 100_000 == pytest.approx(share, abs=0.005)


def test_three_experiments_make_eight_even_cells() -> None:
    experiments = [halves(factor) for factor in FACTORS]
    cells: Counter[tuple[str, ...]] = Counter()
    for number in range(20_000):
        cells[tuple(exposure.arm for exposure in assign(experiments, f"user-{number}", {}, ()))] += 1
    assert set(cells) == set(product(("with", "without"), repeat=3))
    chi_squared = sum((count - 2500) ** 2 / 2500 for count in cells.values())
    assert chi_squared < CHI_SQUARED_7_AT_0_001


ARMS_OF = """
import sys
from tests.service.experiments.test_assign import arms_of
print(arms_of(int(sys.argv[1]))[1])
"""


def arms_of(users: int) -> tuple[Counter[str], str]:
    """How many have which three arms, w with and o without the layer; and a hash of all of it, in order."""
    experiments = [halves(factor) for factor in FACTORS]
    cells, digest = Counter[str](), hashlib.sha256()
    for number in range(users):
        arms = [arm_of(one, f"user-{number}") for one in experiments]
        cell = "".join("w" if arm and arm.value == "on" else "o" for arm in arms)
        cells[cell] += 1
        digest.update(cell.encode())
    return cells, digest.hexdigest()


@pytest.mark.parametrize("users", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_three_layers_are_even_independent_and_the_same_after_a_restart(users: int) -> None:
    cells, told = arms_of(users)
    for layer in range(3):
        share = sum(count for cell, count in cells.items() if cell[layer] == "w") / users
        assert abs(share - 0.5) < max(0.002, 3 * 0.5 / users**0.5)
    observed = np.array([cells["".join(cell)] for cell in product("wo", repeat=3)]).reshape(2, 2, 2)
    assert chi2_contingency(observed).pvalue > 0.01
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[3])}
    restarted = [sys.executable, "-c", ARMS_OF, str(users)]
    assert (
        subprocess.run(restarted, env=environment, check=True, capture_output=True, text=True).stdout == f"{told}\n"
    )


@given(st.text(st.characters(max_codepoint=127), min_size=1), st.floats(0, 1))
def test_less_coverage_takes_users_out_and_never_moves_them(unit: str, coverage: float) -> None:
    whole, part = arm_of(halves("adapter"), unit), arm_of(halves("adapter", coverage), unit)
    assert part in (whole, None)


def test_an_exposure_says_who_got_what() -> None:
    [exposure] = assign([halves("retrieval")], "user-1", {}, ())
    assert (exposure.experiment, exposure.factor, exposure.unit) == ("retrieval-2026", "retrieval", "user-1")
    assert (exposure.arm, exposure.value) == ("with", "on")


@pytest.mark.parametrize("unit", ["", "zoë", "用户"])
def test_an_id_that_is_not_ascii_is_refused(unit: str) -> None:
    with pytest.raises(UnitRefused, match="ASCII"):
        assign([halves("prompt")], unit, {}, ())


def test_an_experiment_can_only_touch_a_layer() -> None:
    assert set(FACTORS) == {"prompt", "retrieval", "adapter"}
