"""A file's bytes to a document: text in this process, other formats in a limited one."""

from pathlib import PurePosixPath

from ingest.documents import Document, content_hash
from ingest.outline import Outline, ParseError, to_document
from ingest.parse_markdown import markdown_outline, text_outline
from ingest.sandbox import MIB, Limits, Sandbox

_FORMS = {
    ".md": "md",
    ".markdown": "md",
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
    ".docx": "docx",
}
_IN_PROCESS = {"md": markdown_outline, "text": text_outline}

SUFFIXES = frozenset(_FORMS)

# Markdown's worst case is quadratic: above this size it goes to the limited process too.
_TRUSTED_SIZE = 256 * 1024


class Parser:
    """Parses files one after the other; close it to end its child process."""

    def __init__(self, max_bytes: int = 20 * MIB) -> None:
        self.max_bytes = max_bytes
        self._sandbox = Sandbox(Limits())

    def parse(self, source: str, content: bytes) -> Document:
        """The document; its labels are those that its own metadata names, or none.

        Raises ParseError with a reason for the file's owner.
        """
        form = _FORMS.get(PurePosixPath(source).suffix.lower())
        if form is None:
            raise ParseError(f"Its format is not supported. Supported are {', '.join(sorted(SUFFIXES))}.")
        if len(content) > self.max_bytes:
            raise ParseError(f"It is larger than the limit of {self.max_bytes / MIB:g} MiB. Split the file.")
        return to_document(source, self._outline(form, content), content_hash(content))

    def close(self) -> None:
        self._sandbox.close()

    def _outline(self, form: str, content: bytes) -> Outline:
        if form in _IN_PROCESS and len(content) <= _TRUSTED_SIZE:
            return _IN_PROCESS[form](content)
        return self._sandbox.outline(form, content)


__all__ = ["SUFFIXES", "ParseError", "Parser"]
