"""The passages of a folder of documents, as training needs them: from its files, without those that are closed."""

from collections.abc import Set
from contextlib import closing
from pathlib import Path

from adapters.examples import ExampleError, Pool
from adapters.recipe import Data, RankingRecipe, Recipe, SearchRecipe, elsewhere_of
from configs.settings import Settings
from ingest.build import closed_documents, embedder_of
from ingest.documents import PUBLIC, Chunk, Document, Passage, document_id
from ingest.embed import Embedder
from ingest.parse import ParseError, Parser
from ingest.sources import DiskFile, SourceError, discover
from ingest.split import Splitter


def read_pool(
    folder: Path, parser: Parser, splitter: Splitter, embedder: Embedder, closed: Set[str] = frozenset()
) -> Pool:
    """Parse, split and embed the files that the ingest job would take, without the documents that are not for
    everybody (an adapter says to all what it learned) and those that cannot be read. Of the `closed` ones there is
    the name or the content hash. Raises ExampleError where none is left.
    """
    documents, unreadable = read_files(folder, parser)
    public = [document for document in documents if for_everybody(document, closed)]
    if not public:
        raise ExampleError(f"There are no documents for everybody below {folder}. {' '.join(unreadable.values())}")
    found = [pair for document in public for pair in chunks(document, splitter)]
    passages = tuple(as_passage(source, chunk) for source, chunk in found)
    restricted = frozenset(document.source for document in documents) - {document.source for document in public}
    return Pool(
        passages, embedder.embed([chunk.embedded_text for _, chunk in found]), restricted, tuple(unreadable.items())
    )


def for_everybody(document: Document, closed: Set[str]) -> bool:
    """By its front matter and by the library: its text may be known there under another name."""
    told = not document.labels or PUBLIC in document.labels
    return told and closed.isdisjoint((document.source, document.content_hash))


def read_files(folder: Path, parser: Parser) -> tuple[list[Document], dict[str, str]]:
    """The documents, and by the names of the files that cannot be read the reasons. Raises ExampleError for the
    folder alone.
    """
    documents, unreadable = [], {}
    for file in files_below(folder):
        try:
            documents.append(parsed(file, parser))
        except ExampleError as error:
            unreadable[file.source] = str(error)
    return documents, unreadable


def files_below(folder: Path) -> tuple[DiskFile, ...]:
    try:
        return discover([folder]).files
    except SourceError as error:
        raise ExampleError(f"The documents cannot be read: {error}") from error


def configured_pool(folder: Path, settings: Settings) -> tuple[Embedder, Pool]:
    """With the configured splitter and embedder; that comes too.

    Without its adapter: that has learnt these very questions, and would show fewer distractors than serving does.
    """
    embedder, splitter = embedder_of(settings, adapted=False), settings.splitter
    closed = closed_documents(settings)
    return embedder, split_pool(folder, embedder, splitter.max_tokens, splitter.overlap_tokens, closed)


def split_pool(
    folder: Path, embedder: Embedder, max_tokens: int, overlap_tokens: int, closed: Set[str] = frozenset()
) -> Pool:
    """The same with a parser and a splitter of its own; no chunk is longer than the embedder reads."""
    splitter = Splitter(embedder.count_tokens, min(max_tokens, embedder.max_tokens), overlap_tokens)
    with closing(Parser()) as parser:
        return read_pool(folder, parser, splitter, embedder, closed)


def other_pool(
    recipe: Recipe | SearchRecipe | RankingRecipe, embedder: Embedder, settings: Settings
) -> Pool | None:
    """The other pages that it trains on, too, if it names any. Raises ExampleError."""
    if (other := elsewhere_of(recipe)) is None:
        return None
    splitter, closed = settings.splitter, closed_documents(settings)
    return split_pool(other.documents, embedder, splitter.max_tokens, splitter.overlap_tokens, closed)


def seen_of(data: Data, pool: Pool) -> Pool:
    """What training may see: held-back documents are not even distractors. A misspelt one would be seen."""
    if unknown := sorted({*data.validation, *data.held_back} - pool.sources - pool.restricted):
        reasons = [reason for source, reason in pool.unreadable if source in unknown]
        told = f"The recipe names documents that are not in {data.documents}: {', '.join(unknown)}."
        raise ExampleError(" ".join([told, *reasons]))
    return pool.only(pool.sources - frozenset(data.held_back))


def parsed(file: DiskFile, parser: Parser) -> Document:
    try:
        return parser.parse(file.source, file.path.read_bytes())
    except (ParseError, OSError) as error:
        raise ExampleError(f"The document {file.path} cannot be read: {error}") from error


def chunks(document: Document, splitter: Splitter) -> list[tuple[str, Chunk]]:
    source = document.source
    return [(source, chunk) for chunk in splitter.split(document, document_id("", source))]


def as_passage(source: str, chunk: Chunk) -> Passage:
    return Passage(
        chunk_id=chunk.id,
        document_id=source,
        source=source,
        title=chunk.title,
        headings=chunk.headings,
        position=chunk.position,
        text=chunk.text,
    )
