"""THE prompt: one renderer for training and for serving."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ingest.documents import Passage

BARE_SYSTEM = "You are a helpful assistant."
# Of ChatML and Llama 3, of DeepSeek (with wider bars), of Llama 2 and Mistral, of Gemma.
CONTROL_TOKEN = re.compile(
    r"<[|\uff5c][^|\uff5c<>]{0,64}[|\uff5c]>|</?s>|<</?SYS>>|<(?:start|end)_of_turn>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
)
LONGEST_TOKEN = 68
LABEL = re.compile(r"[a-z0-9-]+@[1-9][0-9]*")
CITATION = re.compile(r"\s?\[(\d{1,2})\]")


class PromptError(ValueError):
    """A prompt template that is missing, or that lacks what a prompt needs."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A versioned template: a Jinja file with a `system` and a `user` block."""

    name: str
    version: int
    text: str

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def render_every_way(template: PromptTemplate) -> None:
    """Without retrieval, with retrieval that found nothing, and with a source."""
    shown = Passage("c1", "d1", "visiting.md", "Visiting", ("Hours",), 0, "From ten.")
    for passages in (None, (), (shown,)):
        render(template, "When?", passages)


def load_prompt(
    folder: Path, label: str, rendered: Callable[[PromptTemplate], None] = render_every_way
) -> PromptTemplate:
    """Read `NAME@VERSION` from the file NAME.vVERSION.jinja; both blocks have to be there and render without error.

    `rendered` renders what the prompt is for. Raises PromptError.
    """
    template, path = read_template(folder, label)
    try:
        rendered(template)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise PromptError(f"The prompt {path} cannot be rendered: {error}") from error
    return template


def read_template(folder: Path, label: str) -> tuple[PromptTemplate, Path]:
    name, _, version = label.partition("@")
    path = folder / f"{name}.v{version}.jinja"
    if not LABEL.fullmatch(label) or not path.is_file():
        known = ", ".join(sorted(prompt_labels(folder))) or "none"
        raise PromptError(f"No prompt {label!r}: expected NAME@VERSION out of {known}.")
    try:
        template = PromptTemplate(name, int(version), path.read_text(encoding="utf-8"))
        missing = {"system", "user"} - compiled(template).blocks.keys()
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"The prompt {path} cannot be read: {error}") from error
    except TemplateSyntaxError as error:
        raise PromptError(f"The prompt {path}, line {error.lineno}: {error.message}") from error
    if missing:
        raise PromptError(f"The prompt {path} has no block {', '.join(sorted(missing))}; add it.")
    return template, path


def prompt_labels(folder: Path) -> list[str]:
    """The `NAME@VERSION` of every template in the folder; other files, such as a copy's, are none."""
    named = (path.stem.replace(".v", "@") for path in sorted(folder.glob("*.v*.jinja")))
    return [label for label in named if LABEL.fullmatch(label)]


@lru_cache(maxsize=32)
def compiled(template: PromptTemplate) -> Template:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    return environment.from_string(template.text)


def render(
    template: PromptTemplate | None,
    question: str,
    passages: Sequence[Passage] | None,
    history: Sequence[Turn] = (),
) -> list[BaseMessage]:
    """The messages that the model sees.

    `template` None is the prompt layer switched off: the bare question, with bare sources where there
    are any. `passages` None is retrieval switched off; empty is retrieval that found nothing.
    Control tokens of chat templates are taken out of everything that people or documents wrote.
    """
    sources = [(number, quoted(p.place), quoted(p.text)) for number, p in enumerate(passages or (), start=1)]
    retrieved = passages is not None
    if template is None:
        system, user = BARE_SYSTEM, bare_user(clean(question), sources)
    else:
        system = block(template, "system", retrieved=retrieved)
        user = block(template, "user", retrieved=retrieved, sources=sources, question=clean(question))
    return [SystemMessage(system), *earlier(history), HumanMessage(user)]


def block(template: PromptTemplate, name: str, **values: object) -> str:
    text = compiled(template)
    return "".join(text.blocks[name](text.new_context(values))).strip()


def bare_user(question: str, sources: Sequence[tuple[int, str, str]]) -> str:
    blocks = [f"[{number}] {place}\n{text}" for number, place, text in sources]
    return "\n\n".join((*blocks, question))


def earlier(history: Sequence[Turn]) -> list[BaseMessage]:
    """Earlier turns without their sources; their citation numbers would point to other passages now."""
    messages: list[BaseMessage] = []
    for turn in history:
        messages += [HumanMessage(clean(turn.question)), AIMessage(clean(CITATION.sub("", turn.answer)))]
    return messages


def quoted(text: str) -> str:
    """A document's text must not look like a citation or a turn of its own."""
    return CITATION.sub(r" (\1)", clean(text))


def clean(text: str) -> str:
    """Without control tokens, in time that grows with the length only.

    Taking one out can join the halves of another one around it, so each end is looked at with what was kept.
    """
    if not CONTROL_TOKEN.search(text):
        return text.strip()
    kept: list[str] = []
    for letter in text:
        kept.append(letter)
        if letter in ">]" and (token := CONTROL_TOKEN.search("".join(kept[-LONGEST_TOKEN:]))):
            del kept[-len(token[0]) :]
    return "".join(kept).strip()
