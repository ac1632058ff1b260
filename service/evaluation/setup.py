"""The set-up that a run was made in, and the mistakes that it shows: what no answer can tell."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from adapters.card import CARD, Card, read_card
from adapters.compare import curve
from ingest.corpus import Corpus
from ingest.documents import content_hash
from ingest.embed_adapter import EmbedderCard
from ingest.sources import DiskFile, discover
from service.evaluation.house_style import Learnt
from service.evaluation.questions import PackQuestion
from service.retrieve import searchable

# An evaluation loss so much over the training loss is memory, not skill.
APART = 1.5


class AdapterSetup(BaseModel):
    """What an adapter's card says of its training: the last training loss, the best evaluation loss, if kept.

    `minutes` with those of the versions that it goes on from; None in a run of an earlier version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    prompt_sha256: str
    held_back: tuple[str, ...]
    minutes: float | None = None
    training_loss: float | None
    evaluation_loss: float | None


class Setup(BaseModel):
    """`adapters` by NAME@VERSION; `stale` are documents whose file is another than the one that was ingested.

    `style` is what the style likeness was learnt from, where the evaluation names examples. `search` has the
    minutes that it took to train what search uses, by NAME/VERSION: the embedder's adapter and the ranker.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapters: Mapping[str, AdapterSetup] = {}
    stale: tuple[str, ...] = ()
    style: Learnt | None = None
    search: Mapping[str, float] = {}


def search_minutes(embedder: Path | None, ranker: Path | None) -> dict[str, float]:
    """What the cards of the adapters in these folders say; None is one that is not used.

    Both were read at the start, which refuses what is no card; one that was changed since raises ValueError, which
    CardError is, or OSError.
    """
    found = {}
    if embedder:
        found[placed(embedder)] = EmbedderCard.model_validate_json((embedder / CARD).read_bytes()).minutes
    if ranker:
        found[placed(ranker)] = read_card(ranker).minutes
    return found


def placed(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def adapter_setup(card: Card, minutes: float) -> AdapterSetup:
    losses = curve(card.losses)
    return AdapterSetup(
        prompt=card.prompt,
        prompt_sha256=card.prompt_sha256,
        held_back=card.data.held_back,
        minutes=minutes,
        training_loss=losses.get("last"),
        evaluation_loss=losses.get("best_evaluation"),
    )


def stale_documents(corpus: Corpus, paths: Sequence[Path]) -> tuple[str, ...]:
    """The documents whose file below the paths has changed since; one that is gone or closed tells nothing."""
    stored = corpus.library.document_hashes(searchable(corpus).id)
    there = [file for file in discover([path for path in paths if path.exists()]).files if file.source in stored]
    return tuple(file.source for file in there if hash_of(file, corpus) not in (stored[file.source], None))


def hash_of(file: DiskFile, corpus: Corpus) -> str | None:
    try:
        return content_hash(file.read(corpus.parser.max_bytes))
    except OSError:
        return None


def setup_mistakes(setup: Setup, made_from: Mapping[str, Any], questions: Sequence[PackQuestion]) -> list[str]:
    """In sentences; none where none was found."""
    adapters = setup.adapters.items()
    prompts = made_from.get("prompts", {})
    return [
        *(told for label, one in adapters for told in other_template(label, one, prompts)),
        *(told for label, one in adapters for told in overfit(label, one)),
        *(told for label, one in adapters for told in seen_before(label, one, questions)),
        *stale(setup),
    ]


def other_template(label: str, adapter: AdapterSetup, prompts: Mapping[str, str]) -> Iterator[str]:
    for prompt, sha256 in prompts.items():
        if sha256 != adapter.prompt_sha256:
            edited = " as it is now" if prompt == adapter.prompt else ""
            yield (
                f"Another template: {label} was trained on {adapter.prompt} and was asked with {prompt}{edited}. "
                "Train it on the prompt that serves, or serve the one that it knows."
            )


def overfit(label: str, adapter: AdapterSetup) -> Iterator[str]:
    training, evaluation = adapter.training_loss, adapter.evaluation_loss
    if training and evaluation and evaluation > APART * training:
        yield (
            f"Overfit adapter: the loss of {label} was {training:.3f} on what it was trained on and "
            f"{evaluation:.3f} on what it was not. Stop earlier, or train on more examples."
        )


def seen_before(label: str, adapter: AdapterSetup, questions: Sequence[PackQuestion]) -> Iterator[str]:
    known = [one for one in questions if one.answerable and not set(one.documents) & set(adapter.held_back)]
    if known:
        yield (
            f"Examples in the evaluation: {len(known)} of {len(questions)} questions are about documents that the "
            f"training of {label} may have seen. Name its recipe in questions.held_back_by."
        )


def stale(setup: Setup) -> Iterator[str]:
    if setup.stale:
        yield (
            f"Stale documents: {len(setup.stale)} changed since they were ingested, such as {setup.stale[0]}. "
            "Run `triptych ingest sync`, and then the evaluation again."
        )
