"""`triptych doctor`: each part of the set-up, what is wrong with it and what to do."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from adapters.commands import base_of, registry_of
from adapters.decisions.pack import open_pack
from adapters.engines.protocol import EMBEDDED, EngineError
from configs.settings import Settings
from ingest.build import embedder_of, opened_corpus
from ingest.database import Database, LibraryError, library_url, told
from ingest.models import locate_file
from ingest.owner import FolderInUse, OwnerLock
from ingest.records import CollectionStats, ScrubReport
from ingest.vectors import VectorIndex
from service.build import WRONG_SETUP, defaults_of, experiments_of, load_prompts, needed_adapters
from service.build_search import second_look
from service.experiments.commands import known_in
from service.experiments.running import check_alone, check_arms
from service.guard.emergencies import load_rules
from service.guard.likeness import load_examples
from service.records import Records
from service.server import bound

LOOK = "Is it running, and are the settings under index its own? The log says more."
FREE_BYTES = 2 * 2**30
PROBLEMS = (*WRONG_SETUP, EngineError, FolderInUse, SQLAlchemyError, OSError)


@dataclass(frozen=True, slots=True)
class Finding:
    """A part of the set-up; `detail` says what is there, or what is wrong and what to do."""

    part: str
    ok: bool
    detail: str


def examine(settings: Settings) -> list[Finding]:
    return [finding(part, check, settings) for part, check in CHECKS]


def finding(part: str, check: "Check", settings: Settings) -> Finding:
    try:
        return Finding(part, True, check(settings))
    except PROBLEMS as error:
        return Finding(part, False, told(error))


def base_model(settings: Settings) -> str:
    if settings.engine.kind not in EMBEDDED:
        return f"the engine {settings.engine.kind} brings its own"
    return f"{locate_file(settings.engine.base.model, settings.engine.base.sha256).name}, hash as expected"


def embedder(settings: Settings) -> str:
    embedder_of(settings).load_questions()
    adapter = settings.embedder.adapter
    return "hash as expected" + (f", with the adapter {adapter.parent.name}/{adapter.name}" if adapter else "")


def ranker(settings: Settings) -> str:
    look = second_look(settings)
    if look is None:
        return "none: ranker.adapter names no folder"
    look.ranker.log_odds("When?", ["Open from 9 a.m."])
    return f"reads the best {look.passages} passages"


def prompt(settings: Settings) -> str:
    """All of the folder load, as at the start; of the configured one also whether it fits `guard.no_answer`."""
    layer, sentence = settings.layers.prompt, settings.guard.no_answer
    template = load_prompts(layer.folder, layer.name)[layer.name]
    found = f"{template.label}, {template.hash[:12]}"
    if in_one_line(sentence) in in_one_line(template.text):
        return found
    return f"{found}; it lacks guard.no_answer ({sentence!r}): where sources hold no answer, the model says its own"


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def adapter(settings: Settings) -> str:
    """The configured one and those of the experiments."""
    needed = needed_adapters(settings)
    if not needed:
        return "switched off"
    registry, base = registry_of(settings), base_of(settings)
    return f"{', '.join(registry.verified(label, base).name for label in needed)} fits the base"


def decisions(settings: Settings) -> str:
    values = settings.decisions
    if values.folder is None:
        return "none: decisions.folder names no folder"
    pack = open_pack(values.folder, values.prompt, embedder_of(settings).fingerprint)
    return f"{len(pack.past)} records, the head fits them and the embedder"


def emergencies(settings: Settings) -> str:
    rules = load_rules(settings.guard.emergencies)
    examples = load_examples(settings.guard.examples, rules)
    return f"{len(rules.rules)} rules, {len(examples.emergencies)} examples"


def experiments(settings: Settings) -> str:
    """Those that are started can run: each arm is there, and no two are about one layer."""
    every = experiments_of(settings)
    if not every:
        return "none"
    with closing(Records(Database(library_url(settings.library.url, settings.data.folder)))) as records:
        started = records.experiments.started(every)
    check_alone(started)
    layers, known = defaults_of(settings).layers, known_in(settings)
    for one in started:
        check_arms(one, layers, known)
    return f"{len(started)} of {len(every)} started, every arm is there"


def disk(settings: Settings) -> str:
    folder = settings.data.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise OSError(f"{free // 2**20} MiB are free in {folder}, expected {FREE_BYTES // 2**20}. Make room.")
    return f"{free / 2**30:.0f} GiB free in {folder}"


def port(settings: Settings) -> str:
    host, number = settings.server.host, settings.server.port
    with bound(host, number):
        return f"{host}:{number} is free"


def library_and_index(settings: Settings) -> str:
    """Every vector of the library is found in the index."""
    with OwnerLock(settings.data.folder), opened_corpus(settings, embedder_of(settings)) as corpus:
        if corpus.index.degraded:
            raise LibraryError(told_away(corpus.index))
        if waiting := [one for one in corpus.library.stats() if one.waiting]:
            raise LibraryError(told_waiting(waiting))
        if corpus.serving is None:
            raise LibraryError(f"There are no documents in {corpus.name!r} yet. Run `triptych ingest sync`.")
        report = scrubbed(corpus.index, corpus.serving.id)
        if not report.clean:
            raise LibraryError(
                f"The index differs from the library, even made anew: {report}. Searches are exact, but slow."
            )
        return f"{len(corpus.library.documents(corpus.serving.id))} documents, every vector found"


def scrubbed(index: VectorIndex, collection_id: str) -> ScrubReport:
    """Raises LibraryError where the index goes away meanwhile."""
    with index.degrading():
        return index.scrub(collection_id)
    raise LibraryError(told_away(index))


def told_away(index: VectorIndex) -> str:
    return f"{index.place} does not answer: searches are exact, but slow. {LOOK}"


def told_waiting(collections: Sequence[CollectionStats]) -> str:
    names = ", ".join(f"{one.waiting} of {one.name!r}" for one in collections)
    return (
        f"Changes wait for the index: {names}. Searches there are exact, but slow; the log says why. If the index "
        "refuses a name, sync its documents under another one, and remove each with `triptych ingest remove SOURCE "
        "--collection NAME`; the name goes with the last."
    )


Check = Callable[[Settings], str]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("base model", base_model),
    ("embedder", embedder),
    ("ranker", ranker),
    ("prompt", prompt),
    ("adapter", adapter),
    ("decisions", decisions),
    ("emergencies", emergencies),
    ("disk", disk),
    ("experiments", experiments),
    ("port", port),
    ("library and index", library_and_index),
)
