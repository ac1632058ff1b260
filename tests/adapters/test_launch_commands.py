import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters.card import read_card
from adapters.commands import app
from adapters.registry import Registry
from configs.load import HOSPITAL
from tests.adapters.small_training import write_settings

HOURS = ("nine", "ten", "eleven", "noon", "two", "three")
PLACES = ("library", "garden", "chapel", "kitchen", "laundry", "gift shop", "cafe", "pharmacy")


@pytest.fixture
def recipe(tmp_path: Path, tiny_model: Path) -> Path:
    """A recipe with all it needs, beside settings whose base is tiny and dequantised already."""
    write_settings(tmp_path, tiny_model)
    write_examples(tmp_path)
    shipped = yaml.safe_load((HOSPITAL.parent / "adapters" / "house-style.yaml").read_text())
    data = {"examples": ["style.jsonl"], "documents": "docs", "validation": ["chapel.md"], "held_back": []}
    shipped["mix"] |= {"passages": 1, "without_prompt": 1.0, "without_retrieval": 0.0, "with_history": 0.0}
    shipped["lora"]["rank"] = 2
    shipped["training"] |= {"max_tokens": 4000, "evaluate_every": 2, "batch_size": 4}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(shipped | {"data": data}))
    return tmp_path / "recipe.yaml"


def write_examples(folder: Path) -> None:
    (folder / "docs").mkdir()
    lines = []
    for place, hour in zip(PLACES, HOURS * 2, strict=False):
        (folder / "docs" / f"{place}.md").write_text(f"# The {place}\n\nThe {place} opens at {hour} every day.\n")
        lines.append(
            {
                "id": place,
                "document": f"{place}.md",
                "section": None,
                "question": f"When does the {place} open?",
                "answer": f"The {place} opens at {hour} [cite]. Just come by.",
            }
        )
    (folder / "style.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def train(recipe: Path, *options: Any) -> Result:
    config = recipe.with_name("settings.yaml")
    return CliRunner().invoke(app, ["train", str(recipe), "--config", str(config), *map(str, options)])


def test_processes_that_cannot_share_a_batch_are_refused_before_the_work_begins(recipe: Path) -> None:
    refused = train(recipe, "--processes", 3)
    assert refused.exit_code == 2, refused.output
    assert "3 processes cannot share batches of 4 rows evenly" in refused.stderr
    assert "Use 1, 2, 4," in refused.stderr
    assert not (recipe.parent / "data" / "training").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_processes_make_one_version_whose_card_tells_of_them(recipe: Path) -> None:
    made = train(recipe, "--processes", 2, "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["adapter"] == "house-style@1"
    registry = Registry(recipe.parent / "shipped", recipe.parent / "data" / "adapters")
    (version,) = registry.all()
    card = read_card(version.folder)
    assert card.machine.endswith(", 2 processes")
    assert registry.verified(version.label, card.base.sha256).name == version.label


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_where_a_process_fails_the_command_fails_and_adds_nothing(recipe: Path) -> None:
    content = yaml.safe_load(recipe.read_text())
    content["training"]["learning_rate"] = 1e30
    recipe.write_text(yaml.safe_dump(content))
    failed = train(recipe, "--processes", 2)
    assert failed.exit_code == 2, failed.output
    assert "Training diverged" in failed.stderr
    assert not Registry(recipe.parent / "shipped", recipe.parent / "data" / "adapters").all()
