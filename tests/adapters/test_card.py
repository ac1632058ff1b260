import json
from pathlib import Path

import pytest

from adapters.card import CARD, CONFIG, CardError, Trial, read_card, seal_of, write_card
from tests.adapters.small_adapter import card


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("{}")


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = card("a" * 64, scores={"citation": 0.9}, minutes=12.5)
    write_card(written, tmp_path)
    read = read_card(tmp_path)
    assert read.model_copy(update={"seal": ""}) == written
    assert read.seal == seal_of(read, tmp_path)
    assert "\n" in (tmp_path / CARD).read_text(), "people read it, too"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}"])
def test_what_is_no_card_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CARD).write_bytes(content)
    with pytest.raises(CardError, match=r"card\.json is no adapter card"):
        read_card(tmp_path)


def test_a_missing_card_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"card\.json"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    "key", sorted(json.loads(card("a" * 64).model_dump_json()).keys() - {"schema_version", "scores", "seal"})
)
def test_every_field_is_needed(tmp_path: Path, key: str) -> None:
    content = json.loads(card("a" * 64).model_dump_json())
    del content[key]
    (tmp_path / CARD).write_text(json.dumps(content))
    with pytest.raises(CardError, match=key):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("surprise", 1), ("schema_version", 2), ("weights_sha256", "AB"), ("minutes", "long")]
)
def test_a_wrong_value_is_named(tmp_path: Path, key: str, value: object) -> None:
    content = json.loads(card("a" * 64).model_dump_json()) | {key: value}
    (tmp_path / CARD).write_text(json.dumps(content))
    with pytest.raises(CardError, match=key):
        read_card(tmp_path)


@pytest.mark.parametrize("score", [float("nan"), 1, 1.0, None, [1, 2.5], {"low": 0.1}])
def test_whatever_the_scores_hold_the_seal_fits(tmp_path: Path, score: object) -> None:
    write_card(card("a" * 64, scores={"citation": score}), tmp_path)
    read = read_card(tmp_path)
    assert read.seal == seal_of(read, tmp_path)


def test_the_seal_is_of_the_card_and_of_the_configuration(tmp_path: Path) -> None:
    one = card("a" * 64)
    seal = seal_of(one, tmp_path)
    assert seal_of(one.model_copy(update={"scores": {"citation": 1.0}}), tmp_path) != seal
    (tmp_path / CONFIG).write_text("{} ")
    assert seal_of(one, tmp_path) != seal


def test_a_card_without_trials_is_written_as_before_them(tmp_path: Path) -> None:
    """A shipped card's seal is of its bytes: a new empty field would break it."""
    assert "trials" not in card("a" * 64).model_dump_json()
    trial = Trial(rank=8, learning_rate=0.1, epochs=1, share=0.5, steps=3, score=None, minutes=1)
    write_card(card("a" * 64, trials=(trial,)), tmp_path)
    assert read_card(tmp_path).trials == (trial,)
