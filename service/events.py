"""What an answer is made of while it is being made."""

from dataclasses import dataclass

from ingest.documents import Passage
from service.plan import Layers, Manifest


@dataclass(frozen=True, slots=True)
class Meta:
    """First event: ids, and the layers that will be tried."""

    message_id: str
    conversation_id: str
    asked: Layers


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages shown to the model, numbered from 1 in this order."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of the answer; `fixed` where no model made it, so that it has no form that was asked for."""

    text: str
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Citation:
    """The answer cited a passage for the first time; its number is valid."""

    number: int
    chunk_id: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens in and out."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Done:
    """Last event of a good answer: the whole text and what made it; what is to be kept is recorded by now."""

    text: str
    manifest: Manifest


Event = Meta | Sources | Delta | Citation | Usage | Done
