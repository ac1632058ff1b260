import json
from pathlib import Path

import pytest

from adapters.card import CARD, CardError, read_card, write_card
from tests.adapters.conftest import card


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = card("a" * 64, scores={"citation": 0.9}, minutes=12.5)
    write_card(written, tmp_path)
    assert read_card(tmp_path) == written
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
    "key", sorted(json.loads(card("a" * 64).model_dump_json()).keys() - {"schema_version", "scores"})
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
