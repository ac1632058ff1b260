from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from adapters.examples import Row
from adapters.recipe import DecisionRecipe, ModelRecipe, read_as, read_recipe
from adapters.train import Trained
from adapters.train_process import FAILED, Task, read_task, read_trained, tell, write_task, write_trained
from configs.load import HOSPITAL

PACK = HOSPITAL.parent
MESSAGE = some.builds(
    lambda kind, text: kind(text), some.sampled_from((SystemMessage, HumanMessage, AIMessage)), some.text()
)
ROWS = some.lists(some.builds(Row, some.text(), some.lists(MESSAGE).map(tuple), some.text()), max_size=3)


@pytest.mark.parametrize(
    "recipe",
    [
        read_recipe(PACK / "adapters" / "house-style.yaml"),
        read_as(DecisionRecipe, PACK / "decisions" / "lora.yaml"),
    ],
    ids=["answers", "decisions"],
)
@given(rows=ROWS, start=some.sampled_from((None, Path("/adapters/style/1"))))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_process_gets_the_very_task(
    tmp_path: Path, recipe: ModelRecipe, rows: list[Row], start: Path | None
) -> None:
    task = Task(recipe, Path("/base"), rows, rows[:1], Path("/work"), start)
    write_task(task, tmp_path)
    assert read_task(tmp_path) == task


def test_the_result_comes_back_whole(tmp_path: Path) -> None:
    trained = Trained(tmp_path / "adapter", 1.5, 8, ({"step": 2, "eval_loss": 1.0}, {"step": 8}), 2)
    write_trained(trained, tmp_path)
    assert read_trained(tmp_path) == trained


def test_the_first_process_that_fails_tells_why(tmp_path: Path) -> None:
    tell("Training diverged.", tmp_path)
    tell("Connection closed by peer.", tmp_path)
    assert (tmp_path / FAILED).read_text() == "Training diverged."
