import subprocess
import sys
from pathlib import Path

import pytest

from adapters.engines.openvino import MOST_TOKENS
from adapters.engines.openvino_lane import genai, kept, tokenizer_of
from ingest.durable import ENDING

TEXTS = (
    "When can I visit? [1] 8 a.m.\n\n- two  spaces",
    "<|im_start|>user\nh\u00e9 \u6f22\u5b57 \U0001f600<|im_end|>",
    "",
)
OPENS_IT = """
import sys
from adapters.engines.openvino_lane import genai

assert "openvino" not in sys.modules
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event in ("os.fork", "socket.connect") else None)
genai()
print(seen, bool(sys.modules["openvino"]), sys.modules["openvino_telemetry"])
"""


@pytest.fixture
def base(gguf: Path, tmp_path: Path) -> Path:
    """The base under a name in a folder that may be written to."""
    place = tmp_path / "base.gguf"
    place.symlink_to(gguf)
    return place


def test_the_kept_tokenizer_is_the_one_of_the_file(base: Path) -> None:
    tokenizer_of(base)
    again, read = tokenizer_of(base), genai().Tokenizer(base)
    assert again.chat_template == read.chat_template
    assert again.get_eos_token_id() == read.get_eos_token_id()
    for text in TEXTS:
        ids = [one.encode(text, add_special_tokens=False).input_ids.data.tolist() for one in (again, read)]
        assert ids[0] == ids[1]
        assert again.decode(ids[0][0]) == read.decode(ids[0][0])


def test_it_keeps_so_many_tokens_of_a_prompt_and_no_more(base: Path) -> None:
    ids = tokenizer_of(base).encode("Hello " * 9000, add_special_tokens=False).input_ids
    assert ids.shape[1] == MOST_TOKENS


def test_it_is_kept_once_and_nothing_else_is_left(base: Path) -> None:
    tokenizer_of(base)
    (folder,) = base.parent.glob("base.gguf.tokenizer-*")
    files = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    tokenizer_of(base)
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == files
    assert {file.name for file in base.parent.iterdir()} == {base.name, folder.name}


def test_what_a_killed_process_leaves_of_it_can_be_told_and_removed(base: Path) -> None:
    written: list[Path] = []
    kept(base, "tokenizer", lambda link, **_: written.append(link.parent))
    assert [(place.parent, place.suffix) for place in written] == [(base.parent, f".{ENDING}")]


def test_a_file_without_a_tokenizer_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"cut short")
    with pytest.raises(RuntimeError):
        tokenizer_of(broken)
    assert list(tmp_path.iterdir()) == [broken]


def test_the_library_is_opened_offline_by_whoever_needs_it(tmp_path: Path) -> None:
    python = [sys.executable, "-c", OPENS_IT]
    done = subprocess.run(python, cwd=Path.cwd(), env={"HOME": str(tmp_path)}, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["[]", "True", "None"]
    assert not list(tmp_path.iterdir())
