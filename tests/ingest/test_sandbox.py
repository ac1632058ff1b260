import io
import zipfile
from collections.abc import Iterator
from contextlib import closing

import docx
import pytest

from ingest.outline import Block, Outline, ParseError
from ingest.sandbox import MIB, Limits, Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with closing(Sandbox(Limits())) as sandbox:
        yield sandbox


def docx_bytes(text: bytes) -> bytes:
    """A Word file whose document part is the text."""
    plain, changed = io.BytesIO(), io.BytesIO()
    docx.Document().save(plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, text if name == "word/document.xml" else source.read(name))
    return changed.getvalue()


def test_the_outline_comes_back_whole(sandbox: Sandbox) -> None:
    outline = sandbox.outline("md", "---\ntitle: Ä\nlabels: [staff]\n---\n# A\n\ntext".encode())
    assert outline == Outline((Block("A", 1), Block("text")), "Ä", frozenset({"staff"}))


def test_a_reason_comes_back_and_the_next_file_is_read(sandbox: Sandbox) -> None:
    with pytest.raises(ParseError, match="front matter"):
        sandbox.outline("md", b"---\nlabels: {a: b}\n---\ntext")
    with pytest.raises(ParseError, match="NUL"):
        sandbox.outline("text", b"\x00")
    assert sandbox.outline("text", b"fine").blocks == (Block("fine"),)


@pytest.mark.parametrize(("form", "content"), [("pdf", b"%PDF-1.7 broken"), ("docx", b"PK broken"), ("docx", b"")])
def test_a_damaged_file_is_an_error_and_the_next_is_read(sandbox: Sandbox, form: str, content: bytes) -> None:
    with pytest.raises(ParseError):
        sandbox.outline(form, content)
    assert sandbox.outline("text", b"fine").blocks == (Block("fine"),)


def test_a_file_that_needs_too_much_memory_is_stopped() -> None:
    text = b"<w:t>" + b"a" * 300_000_000 + b"</w:t>"
    xml = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
    bomb = docx_bytes(xml + text + b"</w:r></w:p></w:body></w:document>")
    assert len(bomb) < MIB
    with closing(Sandbox(Limits(memory_bytes=400 * MIB, wall_seconds=200))) as sandbox:
        with pytest.raises(ParseError):
            sandbox.outline("docx", bomb)
        assert sandbox.outline("text", b"fine").blocks == (Block("fine"),)


def test_a_file_that_takes_too_long_is_stopped() -> None:
    slow = b"![[](" * 400_000
    with closing(Sandbox(Limits(wall_seconds=3))) as sandbox:
        with pytest.raises(ParseError, match="took longer than 3 s"):
            sandbox.outline("md", slow)
        assert sandbox.outline("text", b"fine").blocks == (Block("fine"),)


def test_a_file_that_uses_too_much_processor_time_is_stopped() -> None:
    with (
        closing(Sandbox(Limits(cpu_seconds=1, wall_seconds=200))) as sandbox,
        pytest.raises(ParseError, match="processor time"),
    ):
        sandbox.outline("md", b"![[](" * 400_000)


def test_a_file_that_unfolds_to_too_much_text_is_stopped() -> None:
    with closing(Sandbox(Limits(answer_bytes=MIB))) as sandbox:
        with pytest.raises(ParseError, match="more than 1 MiB of text"):
            sandbox.outline("text", b"a" * 2 * MIB)
        assert sandbox.outline("text", b"fine").blocks == (Block("fine"),)
