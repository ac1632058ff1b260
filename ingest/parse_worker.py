"""The child process that parses what hostile files can attack: limited in memory, time and files."""

import json
import os
import resource
import sys
from dataclasses import asdict
from multiprocessing.connection import Connection

from ingest.outline import Outline, ParseError
from ingest.parse_docx import docx_outline
from ingest.parse_html import html_outline
from ingest.parse_markdown import markdown_outline, text_outline
from ingest.parse_pdf import pdf_outline

PARSERS = {
    "md": markdown_outline,
    "text": text_outline,
    "html": html_outline,
    "pdf": pdf_outline,
    "docx": docx_outline,
}


def serve(pipe: Connection, memory_bytes: int, cpu_seconds: int) -> None:
    """Answers each (format, content) pair with an outline or a reason, until the parent closes the pipe."""
    _restrict(memory_bytes)
    try:
        pipe.send_bytes(b"ready")
        while True:
            form, content = pipe.recv_bytes().decode(), pipe.recv_bytes()
            _allow_cpu(cpu_seconds)
            pipe.send_bytes(_parse(form, content))
    except (EOFError, SystemExit):
        raise
    except BaseException as error:
        # The parent learns which error ends this process.
        pipe.send_bytes(_answer(error=f"{type(error).__name__}: {error}"[:300], fatal=True))
        raise


def _parse(form: str, content: bytes) -> bytes:
    try:
        outline = PARSERS[form](content)
    except ParseError as error:
        return _answer(error=str(error))
    return _answer(outline)


def _answer(outline: Outline | None = None, error: str = "", fatal: bool = False) -> bytes:
    values = {**asdict(outline), "labels": sorted(outline.labels)} if outline else None
    return json.dumps({"outline": values, "error": error, "fatal": fatal}).encode()


def _restrict(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Parsers warn and crash with pieces of the document's text; that is not to reach any log.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)


def _allow_cpu(seconds: int) -> None:
    """The limit counts from the start of the process, so every file moves it on."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, hard))


if __name__ == "__main__":
    descriptor, memory, cpu = map(int, sys.argv[1:])
    serve(Connection(descriptor), memory, cpu)
