from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, SystemMessage
from transformers import AutoTokenizer

from adapters.base import load_model
from adapters.examples import Row
from adapters.grounded import answered, grounded, spread
from adapters.train import train
from tests.adapters.small_training import ROWS, recipe, row

ROW = Row(
    "a", (SystemMessage("Answer."), HumanMessage("[1] The wards open at ten. When?")), "They open at ten [1]."
)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("They open at ten [1].", 1.0),
        ("The wards open at ten.", 2 * 3 / 5 / (1 + 3 / 5)),
        ("They open at ten [1], every Sunday and holiday.", 2 * (5 / 9) / (1 + 5 / 9)),
        ("No.", 0.0),
        ("", 0.0),
    ],
)
def test_an_answer_is_grounded_by_hand(answer: str, score: float) -> None:
    assert grounded(answer, ROW) == pytest.approx(score)


def test_a_refusal_is_grounded_where_the_right_answer_is_one() -> None:
    refusal = Row("b", ROW.messages, "I can't find this.")
    assert grounded("I can't find this.", refusal) == 1.0
    assert grounded("I can't find this.", ROW) == 0.0


@given(st.text(max_size=40))
def test_it_is_a_share(answer: str) -> None:
    assert 0 <= grounded(answer, ROW) <= 1


def test_rows_of_any_length_are_answered_as_each_is_alone(tiny_model: Path) -> None:
    import torch

    tokenizer, model = AutoTokenizer.from_pretrained(str(tiny_model)), load_model(tiny_model, torch.float32)
    rows = [row(1), Row("long", (HumanMessage("Where is it, and how far? " * 4),), "There.")]
    longest = max(rows, key=lambda one: len(one.completion))
    together = answered(model, tokenizer, [rows[0], rows[1], longest])
    assert together[:2] == [answered(model, tokenizer, [one, longest])[0] for one in rows]
    assert tokenizer.padding_side == "right", "training goes on with its own"


def test_so_many_rows_evenly_out_of_all() -> None:
    assert spread(ROWS, 3) == [ROWS[0], ROWS[2], ROWS[5]]
    assert (spread(ROWS, 0), spread(ROWS, 99)) == ([], ROWS)


def test_training_stops_where_answers_get_no_better_though_the_loss_falls(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer, values = AutoTokenizer.from_pretrained(str(tiny_model)), recipe(grounded=2, patience=1)
    stopped = train(values, tiny_model, tokenizer, ROWS, ROWS[:4], tmp_path)
    scores = [entry["eval_grounded"] for entry in stopped.losses if "eval_grounded" in entry]
    losses = [entry["eval_loss"] for entry in stopped.losses if "eval_loss" in entry]
    assert (scores, stopped.steps) == ([0.0, 0.0], 4), "the tiny model says nothing yet"
    assert losses[1] < losses[0]
