from pathlib import Path

import pytest

from adapters.card import read_card, write_card
from adapters.compare import differences, facts, lineage, minutes_of
from adapters.registry import Registry, UnknownAdapter
from tests.adapters.conftest import MakeAdapter
from tests.adapters.small_adapter import BASE_SHA256, card

ONE = card(
    "a" * 64,
    recipe={"lora": {"rank": 8}, "training": {"seed": 1}},
    losses=({"step": 5, "loss": 2.0}, {"step": 10, "loss": 0.5}, {"step": 10, "eval_loss": 0.7}),
)


def test_a_card_becomes_dotted_facts_and_its_curve_what_it_came_to() -> None:
    told = facts(ONE)
    assert told["recipe.lora.rank"] == 8
    assert told["libraries.peft"] == "0.0"
    assert {key: value for key, value in told.items() if key.startswith("losses")} == {
        "losses.steps": 10,
        "losses.last": 0.5,
        "losses.best_evaluation": 0.7,
    }


def test_a_run_that_was_not_evaluated_has_no_such_loss() -> None:
    assert "losses.best_evaluation" not in facts(card("a" * 64))
    assert not any(key.startswith("losses") for key in facts(card("a" * 64, losses=())))


def test_only_what_differs_is_told_and_what_one_lacks_is_none() -> None:
    other = ONE.model_copy(update={"recipe": {"lora": {"rank": 16}}, "scores": {"recall": 0.9}})
    assert differences(ONE, ONE) == []
    assert sorted(differences(ONE, other), key=str) == [
        {"fact": "recipe.lora.rank", "before": 8, "after": 16},
        {"fact": "recipe.training.seed", "before": 1, "after": None},
        {"fact": "scores.recall", "before": None, "after": 0.9},
    ]


def test_a_name_is_traced_from_its_first_version(make_adapter: MakeAdapter, tmp_path: Path) -> None:
    for number in (1, 2, 10):
        folder = make_adapter(f"style/{number}", seed=number)
        write_card(read_card(folder).model_copy(update={"recipe": {"seed": number // 10}}), folder)
    make_adapter("brief/1")
    registry = Registry(tmp_path / "shipped", tmp_path / "own")
    registry.promote("style@2", BASE_SHA256, "Ada")
    first, second, tenth = lineage(registry, "style")
    assert [one["adapter"] for one in (first, second, tenth)] == ["style@1", "style@2", "style@10"]
    assert [one["promoted"] for one in (first, second, tenth)] == [False, True, False]
    assert (first["changed"], second["changed"], tenth["changed"]) == ([], [], ["recipe.seed"])
    assert [entry["by"] for entry in second["promotions"]] == ["Ada"]
    assert tenth["facts"]["data.rows"] == 4


def test_a_name_that_is_not_there_is_answered_with_those_that_are(
    make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    make_adapter("style/1")
    for name in ("other", "style@1"):
        with pytest.raises(UnknownAdapter, match="there are: style"):
            lineage(Registry(tmp_path / "shipped", tmp_path / "own"), name)


def test_a_version_without_a_readable_card_hides_no_other(make_adapter: MakeAdapter, tmp_path: Path) -> None:
    for number in (1, 3):
        make_adapter(f"style/{number}", seed=number)
    (tmp_path / "own" / "style" / "2").mkdir(parents=True)
    first, broken, third = lineage(Registry(tmp_path / "shipped", tmp_path / "own"), "style")
    assert broken["adapter"] == "style@2" and "no adapter card" in broken["problem"]
    assert (first["changed"], third["changed"]) == ([], [])
    assert third["facts"]["data.rows"] == 4


def made_from(folder: Path, start: str | None, minutes: float) -> None:
    write_card(read_card(folder).model_copy(update={"recipe": {"start": start}, "minutes": minutes}), folder)


def test_the_minutes_are_those_of_all_that_a_version_goes_on_from(
    make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    for number, start in ((1, None), (2, "style@1"), (3, "style@2")):
        made_from(make_adapter(f"style/{number}"), start, 10**number)
    assert minutes_of(Registry(tmp_path / "shipped", tmp_path / "own"), "style@3") == 1110


def test_a_start_that_came_to_mean_the_version_itself_is_not_followed(
    make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    made_from(make_adapter("style/1"), None, 10)
    made_from(make_adapter("style/2"), "style", 100)
    made_from(make_adapter("mine/1", root="own"), "mine", 1000)
    registry = Registry(tmp_path / "shipped", tmp_path / "own")
    assert minutes_of(registry, "style@2") == 100
    assert minutes_of(registry, "mine@1") == 1000, "a bare name that means nothing yet hinders nobody"
