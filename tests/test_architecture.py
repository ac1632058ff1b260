"""The import line, the one owner of each big library, and the one reader of the environment."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINE = ("configs", "ingest", "adapters", "service")
OWNERS = {
    "chromadb": {"ingest/vectors.py", "ingest/chroma_collection.py"},
    "sentence_transformers": {"ingest/embed.py", "ingest/embed_openvino.py", "adapters/tune.py"},
    "langchain_text_splitters": {"ingest/split.py"},
    "xllamacpp": {"adapters/engines/llamacpp.py"},
    "openvino": {"ingest/embed_openvino.py", "adapters/ranking/network.py"},
    "openvino_genai": {"adapters/engines/openvino_lane.py"},
    "torch": {"adapters/", "ingest/embed.py", "ingest/embed_adapter.py", "ingest/embed_openvino.py"},
    "transformers": {"adapters/"},
    "peft": {"adapters/"},
    "trl": {"adapters/"},
    "sklearn": {"adapters/decisions/fit.py"},
    "fastapi": {"service/"},
}
VAGUE = {"utils", "util", "helpers", "helper", "manager", "base_classes", "common", "misc"}
FILES = sorted(path for package in LINE for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_folder_imports_only_itself_and_those_to_its_left(path: Path) -> None:
    allowed = LINE[: LINE.index(place(path).split("/")[0]) + 1]
    ours = {name.split(".")[0] for name in imports(path)} & set(LINE)
    assert ours <= set(allowed)


@pytest.mark.parametrize("path", FILES, ids=place)
def test_each_big_library_has_one_owner(path: Path) -> None:
    for name in {name.split(".")[0] for name in imports(path)} & OWNERS.keys():
        assert any(place(path).startswith(owner) for owner in OWNERS[name]), f"{name} in {place(path)}"


def test_only_one_file_reads_the_environment() -> None:
    readers = {place(path) for path in FILES if reads_environment(path)}
    assert readers == {"configs/load.py"}


def reads_environment(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return any(isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} for node in nodes)


def test_no_file_has_a_vague_name_and_none_is_too_long() -> None:
    assert not [place(path) for path in FILES if path.stem in VAGUE]
    assert not [place(path) for path in FILES if len(path.read_text().splitlines()) > 300]


def test_the_tests_mirror_the_tree() -> None:
    missing = [place(path) for path in FILES if path.stem != "__init__" and not mirrored(path)]
    assert len(missing) <= len(FILES) * 0.25, missing


def mirrored(path: Path) -> bool:
    relative = path.relative_to(ROOT)
    return (ROOT / "tests" / relative.parent / f"test_{relative.stem}.py").is_file()


@pytest.mark.parametrize("path", FILES, ids=place)
def test_the_structure_page_has_a_line_for_every_file(path: Path) -> None:
    line = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    folder, name = place(path).split("/", 1)
    page = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    section = page.split(f"## {folder}/\n")[1].split("\n## ")[0]
    assert f"| `{name}` | {line} |" in section
