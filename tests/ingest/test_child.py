import subprocess
import sys
from pathlib import Path

import pytest

from ingest.child import import_path, started

MODULE = "import os, sys; print(os.environ.get('SECRET'), os.environ['PYTHONPATH'], *sys.argv[1:])"


def test_a_child_finds_what_this_process_finds_and_gets_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "told.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setenv("SECRET", "a key")
    with started("told", 1, "b", stdout=subprocess.PIPE) as child:
        said = child.communicate()[0].decode()
    assert said == f"None {import_path()} 1 b\n"
    assert import_path().startswith(f"{tmp_path}:")
