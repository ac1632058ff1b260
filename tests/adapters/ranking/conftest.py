"""The ranker that the hospital ships, opened once: its network takes seconds to be kept."""

from pathlib import Path

import pytest

from adapters.header import BaseFile
from adapters.ranking.ranker import Ranker, open_ranker
from configs.load import HOSPITAL

SHIPPED = HOSPITAL.parent / "ranker" / "2"


@pytest.fixture(scope="session")
def base_file(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> BaseFile:
    return BaseFile(gguf, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def ranker(base_file: BaseFile) -> Ranker:
    return open_ranker(SHIPPED, base_file, base_file.cache, threads=0)
