from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.recipe import Candidates, Recipe, RecipeError, SearchRecipe, read_any_recipe, read_as, read_recipe
from adapters.verify import config_problems
from configs.load import HOSPITAL

SHIPPED = HOSPITAL.parent / "adapters" / "house-style.yaml"


def changed(folder: Path, section: str | None, **values: Any) -> Path:
    """The shipped recipe with other values in one section, as a file."""
    content = yaml.safe_load(SHIPPED.read_text())
    content["data"] = yaml.safe_load((SHIPPED.parent / content["data"]["like"]).read_text())
    (content if section is None else content[section]).update(values)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_shipped_recipe_is_read_and_its_files_are_there() -> None:
    recipe = read_recipe(SHIPPED)
    assert recipe.name == "house-style"
    assert all(path.is_file() for path in recipe.data.examples)
    documents = {path.name for path in recipe.data.documents.iterdir()}
    assert {*recipe.data.validation, *recipe.data.held_back} <= documents
    assert not {*recipe.data.validation} & {*recipe.data.held_back}


def test_paths_start_at_the_recipes_folder(tmp_path: Path) -> None:
    recipe = read_recipe(changed(tmp_path, "data", examples=["style/a.jsonl"], documents="/elsewhere"))
    assert recipe.data.examples == (tmp_path / "style" / "a.jsonl",)
    assert recipe.data.documents == Path("/elsewhere")


def test_other_pages_start_there_too_and_what_is_written_out_names_no_path(tmp_path: Path) -> None:
    other = {"examples": ["x/style.jsonl"], "documents": "x/docs"}
    recipe = read_recipe(changed(tmp_path, None, elsewhere=other))
    assert recipe.elsewhere is not None
    assert recipe.elsewhere.examples == (tmp_path / "x" / "style.jsonl",)
    assert recipe.elsewhere.documents == tmp_path / "x" / "docs"
    assert "elsewhere" not in recipe.model_dump_json()
    with pytest.raises(RecipeError, match="examples"):
        read_recipe(changed(tmp_path, None, elsewhere=other | {"examples": []}))


def test_recipes_may_share_their_data(tmp_path: Path) -> None:
    path = changed(tmp_path, None)
    whole = read_recipe(path)
    content = yaml.safe_load(path.read_text())
    (tmp_path / "shared.yaml").write_text(yaml.safe_dump(content["data"]))
    path.write_text(yaml.safe_dump(content | {"data": {"like": "shared.yaml"}}))
    assert read_recipe(path) == whole
    path.write_text(yaml.safe_dump(content | {"data": {"like": "shared.yaml", "held_back": ["a.md"]}}))
    assert read_recipe(path).data == whole.data.model_copy(update={"held_back": ("a.md",)})
    for wrong in ("lost.yaml", 3, None):
        path.write_text(yaml.safe_dump(content | {"data": {"like": wrong}}))
        with pytest.raises(RecipeError, match=str(wrong)):
            read_recipe(path)


def test_the_shipped_recipe_for_a_larger_base_learns_from_other_pages_too() -> None:
    recipe = read_recipe(SHIPPED.with_name("house-style-large.yaml"))
    assert recipe.elsewhere is not None
    assert recipe.elsewhere.documents.is_dir()
    assert all(path.is_file() for path in recipe.elsewhere.examples)
    assert recipe.data.held_back == read_recipe(SHIPPED).data.held_back


def test_the_shipped_search_recipe_keeps_the_same_documents_back() -> None:
    recipe = read_as(SearchRecipe, SHIPPED.with_name("search.yaml"))
    assert recipe.data.held_back == read_recipe(SHIPPED).data.held_back
    assert all(path.is_file() for path in recipe.data.examples)


def test_either_recipe_is_read_as_what_it_is_and_its_errors_are_its_own(tmp_path: Path) -> None:
    search = SHIPPED.with_name("search.yaml")
    assert read_any_recipe(SHIPPED) == read_recipe(SHIPPED)
    assert read_any_recipe(search) == read_as(SearchRecipe, search)
    content = yaml.safe_load(search.read_text())
    content["training"]["scale"] = "wide"
    (tmp_path / "search.yaml").write_text(
        yaml.safe_dump(content | {"data": {"like": str(SHIPPED.parent / "data.yaml")}})
    )
    with pytest.raises(RecipeError, match="1 validation error for SearchRecipe"):
        read_any_recipe(tmp_path / "search.yaml")
    with pytest.raises(RecipeError, match=r"lost\.yaml cannot be used"):
        read_any_recipe(tmp_path / "lost.yaml")


def test_a_list_is_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("[1, 2]")
    with pytest.raises(RecipeError, match="expected keys and values, got list"):
        read_as(SearchRecipe, tmp_path / "recipe.yaml")


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (None, {"name": "House Style"}),
        (None, {"name": "../up"}),
        (None, {"surprise": 1}),
        ("data", {"examples": []}),
        ("data", {"validation": []}),
        ("mix", {"shuffled": 1.5}),
        ("mix", {"passages": 0}),
        ("lora", {"rank": 65}),
        ("lora", {"ranks": 8}),
        ("lora", {"alpha": 1025}),
        ("lora", {"dropout": 1}),
        ("training", {"learning_rate": 0}),
        ("training", {"epochs": "many"}),
    ],
    ids=str,
)
def test_a_wrong_value_is_named(tmp_path: Path, section: str | None, values: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=next(iter(values))):
        read_recipe(changed(tmp_path, section, **values))


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"(?s)rank.*alpha"):
        read_recipe(changed(tmp_path, "lora", rank=0, alpha=0))


@pytest.mark.parametrize(
    "content", [b"", b"- a list", b"name: [", b"\xff\xfe", b"a: 2024-99-99", b"[" * 5000], ids=range(6)
)
def test_a_file_that_is_no_recipe_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"missing\.yaml"):
        read_recipe(tmp_path / "missing.yaml")


def test_a_recipe_cannot_be_changed() -> None:
    recipe: Recipe = read_recipe(SHIPPED)
    with pytest.raises(ValueError, match="frozen"):
        recipe.name = "other"  # type: ignore[misc]


def test_candidates_are_read_and_change_nothing_of_what_a_recipe_makes(tmp_path: Path) -> None:
    search = {"minutes": 60, "rank": [8, 32], "learning_rate": [0.0004]}
    recipe = read_recipe(changed(tmp_path, None, search=search))
    assert recipe.search == Candidates(minutes=60, rank=(8, 32), learning_rate=(0.0004,))
    plain = read_recipe(changed(tmp_path, None))
    assert recipe.model_dump_json() == plain.model_dump_json()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"minutes": 0, "rank": [8, 16]}, "search.minutes"),
        ({"minutes": 60}, "leave nothing to choose"),
        ({"minutes": 60, "rank": [8]}, "leave nothing to choose"),
        ({"minutes": 60, "epochs": [1, 1.0]}, "a value stands twice"),
        ({"minutes": 60, "learning_rate": [0.001, -1]}, "search.learning_rate"),
        ({"minutes": 60, "rank": [8, 65]}, "less than or equal to 64"),
        ({"minutes": 60, "rank": [8, 0]}, "greater than 0"),
        ({"minutes": 60, "dropout": [0, 0.1]}, "search.dropout"),
    ],
    ids=str,
)
def test_candidates_that_cannot_be_tried_are_refused(tmp_path: Path, values: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        read_recipe(changed(tmp_path, None, search=values))


def test_alpha_stays_whole_and_a_start_keeps_its_rank(tmp_path: Path) -> None:
    search = {"minutes": 60, "rank": [3, 6]}
    with pytest.raises(RecipeError, match="3 with alpha / rank of 5 / 2 gives no whole alpha"):
        read_recipe(changed(tmp_path, None, search=search, lora={"rank": 2, "alpha": 5, "dropout": 0}))
    with pytest.raises(RecipeError, match="goes on from style@1, whose rank stays"):
        read_recipe(changed(tmp_path, None, search=search, start="style@1"))


def test_what_a_recipe_lets_in_the_gate_lets_in_too(tmp_path: Path) -> None:
    lora = read_recipe(changed(tmp_path, "lora", rank=64, alpha=1024, dropout=0.99)).lora
    config = {"peft_type": "LORA", "target_modules": ["q_proj"], "r": lora.rank, "lora_alpha": lora.alpha}
    assert config_problems(config | {"lora_dropout": lora.dropout}) == []


def test_a_start_is_one_version(tmp_path: Path) -> None:
    assert read_recipe(changed(tmp_path, None, start="house-style@12")).start == "house-style@12"
    for wrong in ("house-style", "house-style@0", "house-style@1*0.5", "house-style@1\n", ""):
        with pytest.raises(RecipeError, match="start"):
            read_recipe(changed(tmp_path, None, start=wrong))
