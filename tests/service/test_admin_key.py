import subprocess
import sys
from pathlib import Path

import pytest

from configs.load import ConfigurationError, load_settings
from configs.settings import Settings
from ingest.admin_key import key_file
from service.admin_key import admin_key, make_key

ROOT = Path(__file__).parents[2]
# A service whose disk is full: not one byte fits into a file.
FULL_DISK = """
import resource, sys
from pathlib import Path
from service.admin_key import make_key

resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
make_key(Path(sys.argv[1]))
"""


def settings_in(folder: Path, **environment: str) -> Settings:
    return load_settings(None, {"TRIPTYCH__DATA__FOLDER": str(folder), **environment}).settings


def test_it_is_made_once_and_is_the_owner_s_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    key = admin_key(settings)
    assert len(key) >= 40
    assert admin_key(settings) == key
    assert [file.name for file in settings.data.folder.iterdir()] == ["admin.key"]
    assert key_file(settings).stat().st_mode & 0o777 == 0o600
    assert settings.data.folder.stat().st_mode & 0o777 == 0o700


def test_a_key_that_another_process_made_meanwhile_stays(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    key = admin_key(settings)
    make_key(key_file(settings))
    assert admin_key(settings) == key


def test_where_the_disk_is_full_there_is_no_key_rather_than_an_empty_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "admin.key")]
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "File too large" in failed.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    settings = settings_in(tmp_path)
    key_file(settings).write_text(content)
    with pytest.raises(ConfigurationError, match=r"admin\.key is empty.* remove the file: the next start makes"):
        admin_key(settings)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    key_file(settings).symlink_to("nowhere")
    with pytest.raises(ConfigurationError, match=r"admin\.key is no file"):
        admin_key(settings)


def test_a_configured_one_wins_without_the_blanks_around_it(tmp_path: Path) -> None:
    assert admin_key(settings_in(tmp_path, TRIPTYCH__SERVER__ADMIN_KEY="  from-the-vault\n")) == "from-the-vault"
    assert list(tmp_path.iterdir()) == []


def test_a_configured_one_of_blanks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"server\.admin_key is empty"):
        admin_key(settings_in(tmp_path, TRIPTYCH__SERVER__ADMIN_KEY=" "))
