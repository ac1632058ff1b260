"""What the service says in its terminal at the start."""

from pathlib import Path

import pytest

from configs.load import load_settings
from service.terminal import welcome


@pytest.mark.parametrize(
    ("known", "place"), [("", "data/admin.key"), ("k" * 20, "server.admin_key in the settings")]
)
def test_it_names_the_place_where_the_admin_key_is(tmp_path: Path, known: str, place: str) -> None:
    folder = tmp_path / "data"
    environment = {"TRIPTYCH__DATA__FOLDER": str(folder), "TRIPTYCH__SERVER__ADMIN_KEY": known}
    told = welcome(load_settings(None, environment).settings, "http://127.0.0.1:8000")
    assert place in told.splitlines()[-1]
    assert "kkk" not in told
