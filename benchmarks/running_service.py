"""The real service as a process of its own, with the hospital pack."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from configs.load import HOSPITAL

READY_SECONDS = 300
ROOT = Path(__file__).resolve().parents[1]
SERVE = "import sys; from service.commands import main; sys.argv[1:] = ['serve']; main()"


@contextmanager
def service(folder: Path, **changes: str) -> Iterator[tuple[str, float, int]]:
    """The real service as a process, its environment changed: URL, seconds until it was ready, process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = time.perf_counter()
    values = os.environ | environment(folder) | changes | {"TRIPTYCH__SERVER__PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-c", SERVE], cwd=ROOT, env=values)
    try:
        url = f"http://127.0.0.1:{port}"
        while not ready(url):
            if process.poll() is not None or time.perf_counter() - started > READY_SECONDS:
                raise RuntimeError("The service did not start; its own message stands above.")
            time.sleep(0.05)
        yield url, time.perf_counter() - started, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def environment(folder: Path) -> dict[str, str]:
    """The hospital pack, with its adapter as soon as that is trained."""
    trained = (HOSPITAL.parent / "adapters" / "house-style" / "1").is_dir()
    switch = "on" if trained else "off"
    return {"TRIPTYCH__DATA__FOLDER": str(folder), "TRIPTYCH__LAYERS__ADAPTER__SWITCH": f"'{switch}'"}


def resident_mib(process: int) -> float:
    """Of the process and its children: the engine is one of them."""
    folder = Path(f"/proc/{process}")
    threads = (folder / "task").glob("*/children")
    children = [child for thread in threads for child in thread.read_text(encoding="ascii").split()]
    status = (folder / "status").read_text(encoding="ascii")
    return (
        sum(map(resident_mib, map(int, children)))
        + int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
    )
