import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.sources import SourceError, Upload, discover, is_source_name

# Root reads everything: so the child becomes somebody else once all is imported.
AS_SOMEBODY_ELSE = """
import os
from pathlib import Path
from ingest.sources import discover

if os.getuid() == 0:
    os.setuid(65534)
found = discover([Path("docs")])
print(*(file.source for file in found.files), *found.skipped, found.present is None, *found.unreadable)
"""


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_folders_are_searched_and_hidden_files_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "b.md", "deep/er/a.HTML", ".hidden.md", ".git/c.md", "deep/.x/d.md", "image.png")
    found = discover([tmp_path])
    assert [file.source for file in found.files] == ["b.md", "deep/er/a.HTML"]
    assert found.skipped == ("image.png",)
    assert found.present == frozenset({"b.md", "deep/er/a.HTML"})
    assert found.files[1].read(100) == b"deep/er/a.HTML"


def test_a_hidden_folder_that_is_named_is_searched(tmp_path: Path) -> None:
    assert len(discover([fill(tmp_path / ".docs", "a.md")]).files) == 1


def test_a_file_has_its_own_name_and_says_nothing_of_others(tmp_path: Path) -> None:
    fill(tmp_path, "deep/a.md", "deep/b.md")
    found = discover([tmp_path / "deep/a.md"])
    assert [file.source for file in found.files] == ["a.md"]
    assert found.present is None


def test_the_same_file_named_twice_is_one(tmp_path: Path) -> None:
    fill(tmp_path, "a.md")
    assert len(discover([tmp_path, tmp_path / "a.md"]).files) == 1


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "x/a.md", "y/a.md")
    with pytest.raises(SourceError, match=r"a\.md"):
        discover([tmp_path / "x", tmp_path / "y"])


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file or folder"):
        discover([tmp_path / "missing"])


def found_by_somebody_else(folder: Path, mode: int) -> str:
    """What is found where docs/inner has the mode."""
    folder.chmod(0o755)
    inner = fill(folder, "docs/a.md", "docs/inner/b.md") / "docs" / "inner"
    inner.chmod(mode)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", AS_SOMEBODY_ELSE]
    told = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    inner.chmod(0o755)
    return told.stdout.strip()


def test_what_is_in_a_folder_that_cannot_be_read_does_not_count_as_gone(tmp_path: Path) -> None:
    assert found_by_somebody_else(tmp_path, 0o755) == "a.md inner/b.md False"
    for mode in (0o000, 0o444):
        assert found_by_somebody_else(tmp_path, mode) == "a.md inner True inner"


def test_linked_folders_and_what_is_no_file_are_skipped_and_linked_files_are_read(tmp_path: Path) -> None:
    fill(tmp_path, "docs/a.md", "elsewhere/b.md")
    docs = tmp_path / "docs"
    (docs / "linked").symlink_to(tmp_path / "elsewhere")
    (docs / "folder.md").symlink_to(tmp_path / "elsewhere")
    (docs / "b.md").symlink_to(tmp_path / "elsewhere" / "b.md")
    os.mkfifo(docs / "pipe.md")
    found = discover([docs])
    assert [file.source for file in found.files] == ["a.md", "b.md"]
    assert found.skipped == ("folder.md", "linked", "pipe.md")


def test_a_link_that_leads_nowhere_is_no_reason_to_remove_its_document(tmp_path: Path) -> None:
    (tmp_path / "a.md").symlink_to(tmp_path / "share" / "a.md")
    found = discover([tmp_path])
    assert found.present == frozenset({"a.md"})
    with pytest.raises(FileNotFoundError):
        found.files[0].read(10)


def test_a_linked_folder_that_is_named_is_searched(tmp_path: Path) -> None:
    fill(tmp_path, "docs/a.md")
    (tmp_path / "linked").symlink_to(tmp_path / "docs")
    assert discover([tmp_path / "linked"]).present == frozenset({"a.md"})


def test_of_a_large_file_only_a_little_more_than_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"x" * 1000)
    (file,) = discover([tmp_path]).files
    assert len(file.read(100)) == 101
    assert len(Upload("a.md", b"x" * 1000).read(100)) == 101


def test_a_name_that_is_not_utf8_is_made_readable(tmp_path: Path) -> None:
    (tmp_path / "b\udce9.md").write_text("x")
    (file,) = discover([tmp_path]).files
    assert file.source == "b\ufffd.md"
    assert file.read(10) == b"x"


@pytest.mark.parametrize("name", ["a.md", "deep/er/a b.md", "é.md"])
def test_plain_relative_names_can_be_uploaded(name: str) -> None:
    assert is_source_name(name)
    assert Upload(name, b"x").source == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/etc/x.md", "a/../b.md", "a//b.md", "./a.md", "a\\b.md", "a\n.md", "a/"]
)
def test_other_names_cannot(name: str) -> None:
    assert not is_source_name(name)
    with pytest.raises(SourceError):
        Upload(name, b"x")
