from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.card import CurvePoint
from adapters.commands import app
from adapters.curve_command import points_table, sizes_of


def test_sizes_are_sorted_and_each_comes_once() -> None:
    assert sizes_of("400, 100,200,100") == [100, 200, 400]


@pytest.mark.parametrize("text", ["", "100,,200", "-1", "many", "0", "1.5"])
def test_what_is_no_list_of_sizes_is_named(tmp_path: Path, text: str) -> None:
    result = CliRunner().invoke(app, ["curve", str(tmp_path / "recipe.yaml"), f"--sizes={text}"])
    assert result.exit_code == 2
    assert f"expected numbers such as 100,200,400, got '{text}'" in result.stderr


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["curve", str(tmp_path / "none.yaml")])
    assert result.exit_code == 2
    assert "cannot be used" in result.stderr


def test_a_row_for_each_point() -> None:
    point = CurvePoint(examples=100, rows=210, steps=53, loss=0.5, score=0.91, minutes=2.04)
    table = points_table((point, point))
    assert table.row_count == 2
    assert [next(iter(column.cells)) for column in table.columns] == ["100", "210", "53", "0.5000", "91.0%", "2.0"]
