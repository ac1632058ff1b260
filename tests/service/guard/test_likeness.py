from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from configs.load import HOSPITAL
from ingest.documents import Vectors
from ingest.embed import Embedder
from service.guard.emergencies import EmergencyRulesError, load_rules
from service.guard.likeness import (
    CACHE,
    MOST_PARTS,
    Likeness,
    kernel,
    likeness,
    load_examples,
    parts,
    targets,
    weighed,
)
from tests.service.parts import EXAMPLES

RULES = load_rules(HOSPITAL.parent / "emergencies.yaml")
CONTENT: dict[str, Any] = {
    "least_score": 0.15,
    "emergencies": {
        "burn": ["my sleeve caught fire", "hot oil ran over my foot"],
        "bite": ["a snake got me in the leg"],
    },
    "harmless": ["where are the fire exits", "do you treat snake bites"],
}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "examples.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, **changes}), encoding="utf-8")
    return path


@pytest.fixture
def small(tmp_path: Path, embedder: Embedder) -> Likeness:
    return likeness(load_examples(written(tmp_path), RULES), embedder, tmp_path)


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        ("boiling oil spilled all over my feet", "burn"),
        ("a snake just bit my leg", "bite"),
        (
            "I parked in the garage. Then a snake bit me in the leg! What does the parking cost? I paid by card.",
            "bite",
        ),
        ("where is the nearest fire exit", None),
        ("do you treat bites of snakes", None),
        ("what does the cafeteria serve for lunch", None),
        ("", None),
    ],
)
def test_the_examples_decide(small: Likeness, question: str, rule: str | None) -> None:
    handoff = small.handoff(question)
    assert (handoff.rule if handoff else None) == rule


@dataclass
class Placed:
    """In an embedder's place: each text has the vector that the test gives it."""

    vectors: dict[str, tuple[float, float, float]]

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.vectors.get(text, (0.0, 0.0, 0.0)) for text in texts], dtype=np.float32)


@pytest.mark.parametrize(
    ("vectors", "rule"),
    [
        ({"whole": (1, 0, 0)}, "bite"),
        ({"whole": (0, 1, 0)}, "burn"),
        ({"whole": (0, 0, 1)}, None),
        ({"whole": (0, 0, 0)}, None),
        ({"whole": (0.7, 0, 0.7)}, None),
        ({"whole": (0.6, 0, 0)}, "bite"),
        ({"first": (0.6, 0, 0)}, None),
        ({"first": (1, 0, 0)}, "bite"),
        ({"whole": (0, 0, 1), "first": (1, 0, 0)}, "bite"),
        ({"first": (0.9, 0, 0.9), "second": (0, 1, 0)}, "burn"),
    ],
)
def test_the_part_that_scores_highest_decides_and_needs_more_than_the_whole(
    tmp_path: Path, vectors: dict[str, tuple[float, float, float]], rule: str | None
) -> None:
    told = {"whole": "It got bad today. Now we are here.", "first": "It got bad today", "second": "Now we are here"}
    content = {"emergencies": {"bite": ["a snake"], "burn": ["hot oil"]}, "harmless": ["where are the exits"]}
    placed: Any = Placed({told[name]: values for name, values in vectors.items()})
    examples, vectors_of = load_examples(written(tmp_path, **content), RULES), np.eye(3, dtype=np.float32)
    check = Likeness(examples, placed, vectors_of, weighed(vectors_of, targets(examples)))
    handoff = check.handoff(told["whole"])
    assert (handoff.rule if handoff else None) == rule


def test_examples_score_as_what_they_are_however_many_there_are_of_each(embedder: Embedder) -> None:
    few = replace(
        EXAMPLES,
        emergencies=EXAMPLES.emergencies[::40],
        handoffs=EXAMPLES.handoffs[::40],
        harmless=EXAMPLES.harmless[::5],
    )
    vectors, wanted = embedder.embed_queries([*few.emergencies, *few.harmless]), targets(few)
    urgent, *fitting = (kernel(vectors, vectors) @ weighed(vectors, wanted)).T
    emergencies = len(few.emergencies)
    assert np.quantile(urgent[:emergencies], 0.1) > 0.5
    assert np.quantile(urgent[emergencies:], 0.9) < -0.5
    told = np.argmax(fitting, axis=0)[:emergencies]
    assert [few.kinds[kind] for kind in told] == list(few.handoffs)


def test_of_several_near_examples_the_hand_off_of_most_is_given(tmp_path: Path) -> None:
    """Where the nearest one alone is of another kind than all around it."""
    near = {
        "a": (0.8, 0.6, 0),
        "b": (0.8, -0.6, 0),
        "c": (0.8, 0, 0.6),
        "odd": (0.86, 0, -0.51),
        "else": (-1, 0, 0),
    }
    content = {"emergencies": {"burn": ["a", "b", "c"], "bite": ["odd"]}, "harmless": ["else"]}
    examples = load_examples(written(tmp_path, **content), RULES)
    vectors: Vectors = np.array(list(near.values()), dtype=np.float32)
    placed: Any = Placed({"help": (1, 0, 0)})
    check = Likeness(examples, placed, vectors, weighed(vectors, targets(examples)))
    assert int(np.argmax(vectors @ np.array([1, 0, 0]))) == 3
    handoff = check.handoff("help")
    assert handoff is not None and handoff.rule == "burn"


def test_the_hand_off_is_the_rule_s_own(small: Likeness) -> None:
    texts = {rule.handoff.rule: rule.handoff for rule in RULES.rules}
    assert small.handoff("my sleeve caught fire") == texts["burn"]


def test_a_question_is_its_own_first_part() -> None:
    assert parts("Where do I park?") == ["Where do I park?"]
    assert parts("Hi. Where do I park?") == ["Hi. Where do I park?"]
    long = "Where do I park? My dad is very pale!"
    assert parts(long) == [long, "Where do I park", "My dad is very pale"]
    wrapped = "My dad is\nvery pale\n\nWhere do I park?"
    assert parts(wrapped) == [wrapped, "My dad is", "Where do I park", "My dad is very pale"]


def test_the_parts_of_a_long_story_are_its_last_sentences() -> None:
    told = [f"this is sentence {number}" for number in range(MOST_PARTS + 2)]
    assert parts(". ".join(told))[1:] == told[2:]


@given(st.text(max_size=300) | st.lists(st.sampled_from(["he is ill", "."]), max_size=60).map(" ".join))
def test_a_question_has_few_parts_however_long_it_is(text: str) -> None:
    found = parts(text)
    assert found[0] == text
    assert len(found) <= 1 + 2 * MOST_PARTS


def test_vectors_and_weights_are_kept_for_the_next_start(tmp_path: Path, embedder: Embedder) -> None:
    examples = load_examples(written(tmp_path), RULES)
    first = likeness(examples, embedder, tmp_path / "cache")
    file = tmp_path / "cache" / CACHE
    with np.load(file) as kept:
        np.savez(file, key=kept["key"], vectors=-kept["vectors"], weights=2 * kept["weights"])
    again = likeness(examples, embedder, tmp_path / "cache")
    np.testing.assert_array_equal(again.vectors, -first.vectors)
    np.testing.assert_array_equal(again.weights, 2 * first.weights)


def test_what_was_kept_of_other_sentences_does_not_count(tmp_path: Path, embedder: Embedder) -> None:
    first = likeness(load_examples(written(tmp_path), RULES), embedder, tmp_path)
    changed = load_examples(written(tmp_path, harmless=["where are the vending machines"]), RULES)
    again = likeness(changed, embedder, tmp_path)
    np.testing.assert_allclose(again.vectors[3:], embedder.embed(["where are the vending machines"]), atol=1e-5)
    assert len(again.weights) == 4 != len(first.weights)


def test_what_was_kept_before_a_sentence_changed_sides_does_not_count(tmp_path: Path, embedder: Embedder) -> None:
    likeness(load_examples(written(tmp_path), RULES), embedder, tmp_path)
    emergencies = {**CONTENT["emergencies"], "bite": []}
    harmless = ["a snake got me in the leg", *CONTENT["harmless"]]
    moved = likeness(
        load_examples(written(tmp_path, emergencies=emergencies, harmless=harmless), RULES), embedder, tmp_path
    )
    assert moved.handoff("a snake got me in the leg") is None


def test_what_was_kept_before_a_sentence_changed_its_rule_does_not_count(
    tmp_path: Path, embedder: Embedder
) -> None:
    likeness(load_examples(written(tmp_path), RULES), embedder, tmp_path)
    burn, fire, bite = "hot oil ran over my foot", "my sleeve caught fire", "a snake got me in the leg"
    other = written(tmp_path, emergencies={"burn": [fire], "bite": [burn, bite]})
    handoff = likeness(load_examples(other, RULES), embedder, tmp_path).handoff(burn)
    assert handoff is not None and handoff.rule == "bite"


def test_what_was_kept_of_another_embedder_does_not_count(
    tmp_path: Path, embedder: Embedder, model_folder: Path
) -> None:
    examples = load_examples(written(tmp_path), RULES)
    likeness(examples, embedder, tmp_path)
    other = Embedder(model_folder, adapter=HOSPITAL.parent / "search" / "1")
    vectors = likeness(examples, other, tmp_path).vectors[len(examples.emergencies) :]
    np.testing.assert_allclose(vectors, other.embed_queries(examples.harmless), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"emergencies": {"fire": ["it burns"]}}, "no rule is named fire"),
        ({"emergencies": {}}, "emergencies"),
        ({"harmless": []}, "harmless"),
        ({"harmless": [" "]}, "harmless"),
        ({"harmless": [True]}, "harmless"),
        ({"least_score": 0}, "least_score"),
        ({"least_score": 0.9}, "least_score"),
        ({"least_cosine": 0.5, "margin": 0.1}, "least_cosine and margin are measured no more.*write least_score"),
        ({"switch": False}, "switch"),
    ],
)
def test_a_faulty_file_is_refused_by_name(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(EmergencyRulesError, match=told) as error:
        load_examples(path, RULES)
    assert str(path) in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmergencyRulesError, match="cannot be used"):
        load_examples(tmp_path / "none.yaml", RULES)
