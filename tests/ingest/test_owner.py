import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.owner import LOCK, FolderInUse, OwnerLock

ROOT = Path(__file__).parents[2]


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with OwnerLock(folder) as owner:
        with pytest.raises(FolderInUse) as caught:
            OwnerLock(folder)
        assert (caught.value.pid, caught.value.url) == (os.getpid(), None)
        owner.announce("http://127.0.0.1:8000")
        with pytest.raises(FolderInUse, match=r"the service at http://127\.0\.0\.1:8000") as caught:
            OwnerLock(folder)
        assert caught.value.url == "http://127.0.0.1:8000"


def test_nobody_else_on_the_machine_can_look_into_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with OwnerLock(folder):
        assert [path.stat().st_mode & 0o077 for path in (folder, folder / LOCK)] == [0, 0]


def test_the_folder_is_free_after_closing_and_the_address_is_forgotten(tmp_path: Path) -> None:
    with OwnerLock(tmp_path) as owner:
        owner.announce("http://old")
    with OwnerLock(tmp_path), pytest.raises(FolderInUse) as caught:
        OwnerLock(tmp_path)
    assert caught.value.url is None


def test_another_process_holds_the_folder_until_it_is_killed(tmp_path: Path) -> None:
    code = "import sys, time; from ingest.owner import OwnerLock; from pathlib import Path\n"
    code += "lock = OwnerLock(Path(sys.argv[1])); print('locked', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "locked\n"
        with pytest.raises(FolderInUse) as caught:
            OwnerLock(tmp_path)
        assert caught.value.pid == child.pid
        child.kill()
        child.wait()
        OwnerLock(tmp_path).close()
