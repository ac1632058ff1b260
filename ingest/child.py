"""Child processes: a module of this program, run by the same interpreter, which finds what this one finds."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def import_path() -> str:
    """This process's import path as PYTHONPATH has it; its empty entry, the working directory, by its name."""
    return os.pathsep.join(path or str(Path.cwd()) for path in sys.path)


def started(module: str, *arguments: object, **streams: Any) -> subprocess.Popen[bytes]:
    """`module` in a process of its own, which gets nothing else of the environment.

    Not multiprocessing's spawn: that would import the parent's main module, here the whole service.
    """
    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, env={"PYTHONPATH": import_path()}, **streams)
