from pathlib import Path

from configs.load import load_settings
from ingest.admin_key import key_file, known_key


def test_the_settings_know_it_or_the_folder_or_nobody(tmp_path: Path) -> None:
    folder = {"TRIPTYCH__DATA__FOLDER": str(tmp_path)}
    settings = load_settings(None, folder).settings
    assert known_key(settings) is None
    key_file(settings).write_text(" kept \n")
    assert known_key(settings) == "kept"
    assert known_key(load_settings(None, {**folder, "TRIPTYCH__SERVER__ADMIN_KEY": "told"}).settings) == "told"
