"""The house style, learnt from the hospital's own examples and documents, and from files that are no good."""

import json
from pathlib import Path

import pytest
import yaml

from adapters.examples import read_examples
from adapters.recipe import read_recipe
from configs.load import HOSPITAL
from service.evaluation.design import DesignError
from service.evaluation.house_style import HouseStyle
from service.evaluation.style_classifier import Text
from service.evaluation.style_learning import beginning, learn, read_house_style, texts_of

RECIPE = HOSPITAL.parent / "adapters" / "house-style.yaml"
ANSWER = "If you park in the garage, you pay $3 an hour [1]. Bring your ticket to the desk before you leave."


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    data = read_recipe(RECIPE).data
    answered = [one for one in read_examples(data.examples) if one.document is not None]
    return texts_of(answered, data.documents)


@pytest.fixture(scope="module")
def house(texts: list[Text]) -> HouseStyle:
    return learn(texts, seed=7)


def small(folder: Path, examples: int, documents: int = 1) -> Path:
    """A recipe with so many examples that say what their documents say."""
    (folder / "documents").mkdir()
    lines = []
    for number in range(documents):
        (folder / "documents" / f"d{number}.md").write_text(
            "# One\n\n## Hours\n\nYou can come from ten to eight.\n"
        )
    for number in range(examples):
        example = {
            "id": f"e{number}",
            "document": f"d{number % documents}.md",
            "section": "Hours",
            "question": f"When {number}?",
            "answer": "You can come from ten to eight [cite].",
        }
        lines.append(json.dumps(example))
    (folder / "examples.jsonl").write_text("\n".join(lines))
    values = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    values["data"] = {
        "examples": ["examples.jsonl"],
        "documents": "documents",
        "validation": ["d0.md"],
        "held_back": [],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    return folder / "recipe.yaml"


def test_the_hospital_s_style_is_good_enough_on_documents_that_were_not_seen(house: HouseStyle) -> None:
    learnt = house.learnt
    assert (learnt.examples, learnt.missing) == (1178, None)
    assert learnt.auc is not None and learnt.interval is not None
    assert 0.8 < learnt.interval[0] < learnt.auc < learnt.interval[1] < 1


def test_every_example_stands_against_its_document_at_the_same_length(texts: list[Text]) -> None:
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    assert all(one.house and not other.house and one.document == other.document for one, other in pairs)
    lengths = [sum(len(side.text.split()) for side in sides) for sides in zip(*pairs, strict=True)]
    assert lengths[1] / lengths[0] == pytest.approx(1, abs=0.2)


def test_no_text_is_of_a_document_that_the_evaluation_asks_about(texts: list[Text]) -> None:
    assert not {one.document for one in texts} & set(read_recipe(RECIPE).data.held_back)


def test_another_topic_does_not_move_it(house: HouseStyle) -> None:
    other = (
        ANSWER.replace("park", "eat").replace("garage", "cafeteria").replace("ticket", "badge").replace("$3", "$12")
    )
    assert house.likeness(other) == house.likeness(ANSWER)


def test_the_documents_own_words_for_the_same_facts_move_it_far(texts: list[Text], house: HouseStyle) -> None:
    assert house.classifier is not None
    ours = house.classifier.probabilities([one.text for one in texts if one.house])
    theirs = house.classifier.probabilities([one.text for one in texts if not one.house])
    assert ours.mean() - theirs.mean() > 0.25
    garage = "The garage is open at all hours and costs $3 an hour: a ticket from the gate, and a desk at the exit."
    assert house.likeness(ANSWER) > house.likeness(garage) + 0.25  # type: ignore[operator]


def test_the_hash_is_of_the_texts_and_the_seed(texts: list[Text]) -> None:
    few = texts[:80]
    assert learn(few, 7).learnt.sha256 == learn(few, 7).learnt.sha256
    assert len({learn(some, seed).learnt.sha256 for some, seed in ((few, 7), (few, 8), (few[:-2], 7))}) == 3


def test_from_too_few_nothing_is_learnt(tmp_path: Path) -> None:
    house = read_house_style(small(tmp_path, examples=49, documents=10), seed=7)
    assert (house.learnt.examples, house.learnt.auc, house.classifier) == (49, None, None)
    assert house.likeness("You can come whenever you like.") == (
        "too little to learn a style from: 49 examples about 10 documents; expected 50 about 10"
    )


def test_examples_that_sound_like_the_documents_give_no_value(tmp_path: Path) -> None:
    house = read_house_style(small(tmp_path, examples=60, documents=12), seed=7)
    assert house.learnt.auc == 0.5
    assert "examples and documents sound too alike: AUC 0.50" in str(
        house.likeness("You can come whenever you like.")
    )


def test_a_document_that_is_missing_is_told(tmp_path: Path) -> None:
    recipe = small(tmp_path, examples=2)
    (tmp_path / "documents" / "d0.md").unlink()
    with pytest.raises(DesignError, match=r"Examples are about d0\.md, which is not among the documents"):
        read_house_style(recipe, seed=7)


def test_a_recipe_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match=r"none\.yaml cannot be learnt from"):
        read_house_style(tmp_path / "none.yaml", seed=7)


def test_a_beginning_has_whole_sentences() -> None:
    text = "You can come at ten. Bring a card. Then wait here."
    assert beginning(text, 5) == "You can come at ten."
    assert beginning(text, 6) == "You can come at ten. Bring a card."
    assert beginning(text, 100) == text
