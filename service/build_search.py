"""The door of search: settings become a retriever, with a second look where they name a ranker."""

from adapters.header import BaseFile
from configs.retrieval import Search
from configs.settings import Settings
from ingest.corpus import Corpus
from ingest.models import locate_file
from service.langchain_search import langchain_search
from service.retrieve import HybridRetriever, Way
from service.second_look import SecondLook


def second_look(settings: Settings) -> SecondLook | None:
    """None where the settings name no ranker. Raises ModelError."""
    values, cache = settings.ranker, settings.data.folder / "cache"
    if values.adapter is None:
        return None
    # Only who ranks pays for its library.
    from adapters.ranking.ranker import open_ranker

    base = BaseFile(locate_file(values.model, values.sha256), cache)
    ranker = open_ranker(values.adapter, base, cache, settings.engine.threads)
    return SecondLook(ranker, values.passages, values.weight, values.min_log_odds)


def retriever_of(settings: Settings, corpus: Corpus, look: SecondLook | None = None) -> HybridRetriever:
    """The layer's own search, with the others by name. Raises ConfigurationError."""
    layer = settings.layers.retrieval
    own = HybridRetriever(
        corpus=corpus,
        passages=layer.passages,
        candidates=layer.candidates,
        dense_weight=layer.dense_weight,
        page_weight=layer.page_weight,
        min_score=layer.min_score,
        min_cosine=layer.min_cosine,
        min_share=layer.min_share,
        second_look=look,
    )
    return own.model_copy(
        update={"ways": {name: way_of(own, name, search) for name, search in layer.searches.items()}}
    )


def way_of(own: HybridRetriever, name: str, search: Search) -> Way:
    look = own.second_look if search.ranker == "on" else None
    if search.langchain:
        return langchain_search(name, search.langchain, search.passages or own.passages, look)
    values = search.model_dump(exclude={"collection", "ranker", "langchain"}, exclude_none=True)
    corpus = own.corpus.named(search.collection) if search.collection else own.corpus
    return own.model_copy(update={**values, "corpus": corpus, "second_look": look})
