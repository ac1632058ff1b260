"""What the keys of the settings take."""

import pytest

from configs.kinds import kinds_at, may_be_shown, takes_null, takes_text


@pytest.mark.parametrize(
    ("key", "text", "null", "shown"),
    [
        ("name", True, False, True),
        ("library.url", True, True, True),
        ("server.admin_key", True, True, False),
        ("engine.openai.api_key", True, True, False),
        ("engine.openai", False, False, False),
        ("engine.openai.adapters.house", True, False, True),
        ("layers.prompt.name", True, False, True),
        ("layers.prompt.switch", False, False, True),
        ("layers.retrieval.searches.words.collection", True, True, True),
        ("layers.retrieval.searches", False, False, True),
        ("data.folder", True, False, True),
        ("engine.kind", False, False, True),
        ("server.port", False, False, True),
    ],
)
def test_a_key_tells_what_it_takes(key: str, text: bool, null: bool, shown: bool) -> None:
    path = tuple(key.split("."))
    assert (takes_text(path), takes_null(path), may_be_shown(path)) == (text, null, shown)


def test_a_key_that_is_none_takes_nothing() -> None:
    assert kinds_at(("server", "ports", "first")) == []
