import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from adapters.prompt import Turn
from configs.load import ConfigurationError, load_settings
from configs.retrieval import LangChainRetriever
from ingest.corpus import Corpus
from ingest.documents import PUBLIC
from service.build import defaults_of
from service.build_search import retriever_of
from service.events import Done
from service.langchain_search import LangChainSearch, langchain_search
from service.retrieve import RetrievalError, find
from service.second_look import SecondLook
from service.switches import Overrides
from tests.service.parts import answered, chatbot, scripted

READER, STAFF = frozenset({PUBLIC}), frozenset({PUBLIC, "staff"})
# A retriever as people write one: an in-memory vector store of LangChain's own, over a few texts.
MODULE = """
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

SHELF = [
    Document("The chapel is open day and night.", metadata={"source": "chapel.md", "labels": ["public"]}),
    Document("The safe's code is 4711.", metadata={"source": "safe.md", "labels": ["staff"]}),
    Document("The garden closes at dusk.", metadata={"source": "garden.md"}),
]

class Stores:
    @staticmethod
    def shelf(k):
        store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
        store.add_documents(SHELF)
        return store.as_retriever(search_kwargs={"k": k})

def text(**options):
    return "no retriever"

def broken(**options):
    raise OSError("the shelf is away")
"""


class Told(BaseRetriever):
    """Gives what it holds, or fails."""

    documents: list[Document] = []
    error: str | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if self.error:
            raise OSError(f"{self.error}: {query}")
        return [*self.documents, Document(f"Asked for: {query}", metadata={"labels": [PUBLIC]})]


def told(*documents: Document, look: SecondLook | None = None, **changes: Any) -> LangChainSearch:
    search = LangChainSearch("shelf", Told(documents=list(documents)), "mine:told", "f1", 3, frozenset(), look)
    return replace(search, **changes)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that can be imported, each time another one."""
    name = f"own_search_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def values(retriever: str, **options: Any) -> LangChainRetriever:
    return LangChainRetriever(retriever=retriever, options=options)


async def sources(search: LangChainSearch, labels: frozenset[str]) -> set[str]:
    return {one.source for one in (await search.search("Is it open?", (), labels=labels)).passages}


async def test_a_vector_store_of_langchain_s_searches_with_the_reader_s_labels(module: str) -> None:
    search = langchain_search("shelf", values(f"{module}:Stores.shelf", k=3), 3, None)
    assert await sources(search, READER) == {"chapel.md"}
    assert await sources(search, STAFF) == {"chapel.md", "safe.md"}
    assert await sources(search, frozenset()) == set()


async def test_what_has_no_labels_is_for_everybody_only_where_the_settings_say_so(module: str) -> None:
    open_to_all = values(f"{module}:Stores.shelf", k=3).model_copy(update={"unlabelled": "public"})
    assert await sources(langchain_search("shelf", open_to_all, 3, None), READER) == {"chapel.md", "garden.md"}


@pytest.mark.parametrize("labels", ["public", "staff", {"public": True}, [1], 7, b"public"])
async def test_labels_that_could_be_taken_wrongly_make_no_answer(labels: Any) -> None:
    with pytest.raises(RetrievalError, match=r"'shelf'.*labels are no list of texts"):
        await told(Document("Text", metadata={"labels": labels})).search("?", (), labels=READER)


async def test_what_metadata_do_not_say_is_made_up_alike_each_time() -> None:
    odd = Document("First", metadata={"score": 37.5, "labels": [PUBLIC]})
    named = Document("Second", id="7", metadata={"title": "Two", "score": 0.5, "labels": [PUBLIC]})
    one, two, _ = (await told(odd, named).search("?", (), labels=READER)).passages
    assert (one.source, one.title, one.score, one.text) == ("unnamed", "unnamed", 0.0, "First")
    assert (two.chunk_id, two.source, two.place, two.score) == ("7", "7", "Two", 0.5)
    again, *_ = (await told(odd).search("?", (), labels=READER)).passages
    assert again.chunk_id == one.chunk_id != two.chunk_id


async def test_a_follow_up_is_asked_with_its_context_and_only_so_many_are_shown() -> None:
    shelf = [Document(str(number), metadata={"labels": [PUBLIC]}) for number in range(9)]
    found = await told(*shelf).search("?", (), labels=READER)
    assert len(found.passages) == 3 and found.settings == {"retriever": "mine:told@f1", "passages": 3}
    found = await told(*shelf).search("And on Sundays?", [Turn("When?", "At ten.")], labels=READER, limit=10)
    assert found.passages[-1].text == "Asked for: When? And on Sundays?"
    assert found.settings["passages"] == 10


class Backwards:
    """A ranker that likes later passages better."""

    sha256 = "0" * 64

    def log_odds(self, question: str, passages: Sequence[str], earlier: str = "") -> list[float]:
        return [float(number) for number in range(len(passages))]


async def test_the_ranker_reads_it_and_may_say_that_none_answers() -> None:
    shelf = [Document(text, metadata={"labels": [PUBLIC]}) for text in "abc"]
    look = SecondLook(Backwards(), 3, 0.1, 2.0)
    found = await told(*shelf, look=look, passages=2).search("?", (), labels=READER)
    assert [one.text for one in found.passages] == ["c", "b"]
    assert found.settings["ranker"] == Backwards.sha256
    none = told(*shelf, look=replace(look, min_log_odds=2.1))
    assert (await none.search("?", (), labels=READER)).passages == ()


async def test_a_failure_is_told_without_the_question() -> None:
    search = told(retriever=Told(error="no route"))
    with pytest.raises(RetrievalError, match=r"^The search 'shelf' failed with OSError\.$"):
        await search.search("My record is 4711.", (), labels=READER)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("no_such_module:search", "ModuleNotFoundError"),
        ("MODULE:nothing", "AttributeError"),
        ("MODULE:broken", "OSError: the shelf is away"),
        ("MODULE:text", "gave a str, expected a LangChain retriever"),
        ("MODULE:Stores.shelf", "TypeError"),
    ],
)
def test_what_gives_no_retriever_is_refused_by_its_place(module: str, named: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^layers\.retrieval\.searches\.shelf\.langchain: .*{said}"):
        langchain_search("shelf", values(named.replace("MODULE", module)), 3, None)


def test_a_key_among_the_options_is_not_told() -> None:
    mine = values(f"{Told.__module__}:Told", documents="sk-4711")
    with pytest.raises(ConfigurationError, match="documents: Input should be a valid list") as raised:
        langchain_search("shelf", mine, 3, None)
    assert "4711" not in str(raised.value)


def test_its_fingerprint_changes_with_its_options(module: str) -> None:
    one, same, other = (langchain_search("s", values(f"{module}:Stores.shelf", k=k), 3, None) for k in (3, 3, 4))
    assert one.fingerprint == same.fingerprint != other.fingerprint


def searching(tmp_path: Path, searches: dict[str, Any], **retrieval: Any) -> Any:
    layer = {f"TRIPTYCH__LAYERS__RETRIEVAL__{key.upper()}": str(value) for key, value in retrieval.items()}
    environment = {
        "TRIPTYCH__DATA__FOLDER": str(tmp_path),
        "TRIPTYCH__LAYERS__RETRIEVAL__SEARCHES": json.dumps(searches),
    }
    return load_settings(None, environment | layer).settings


@pytest.mark.parametrize(
    ("search", "said"),
    [
        (
            {"langchain": {"retriever": "a:b"}, "min_score": 0.2},
            "only passages and ranker can stand; take out min_score",
        ),
        ({"langchain": {"retriever": "a.b"}}, "String should match pattern"),
        ({"langchain": {"retriever": "a:b", "unlabelled": "all"}}, "'public' or 'hidden'"),
        ({"langchain": {}}, "Field required"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, search: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        searching(tmp_path, {"shelf": search})


def test_on_means_only_a_search_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="search: shelf is none of the searches: words"):
        searching(tmp_path, {"words": {}}, search="shelf")


async def test_configured_it_makes_the_answer_and_the_manifest_says_so(
    corpus: Corpus, tmp_path: Path, module: str
) -> None:
    """Through the door, as the service does: `on` means the search, and a request may still name the collection."""
    shelf = {
        "langchain": {"retriever": f"{module}:Stores.shelf", "options": {"k": 3}},
        "ranker": "off",
        "passages": 2,
    }
    settings = searching(tmp_path, {"shelf": shelf}, search="shelf", collection="hospital")
    bot = replace(
        chatbot(corpus, tmp_path, scripted("It never closes [1].", "So it is [1].")),
        retriever=retriever_of(settings, corpus),
    )
    on = replace(bot.defaults.layers, retrieval=defaults_of(settings).layers.retrieval)
    bot = replace(bot, defaults=replace(bot.defaults, layers=on))
    done = (await answered(bot, "When is the chapel open?", Overrides(adapter="off")))[-1]
    assert isinstance(done, Done)
    assert done.manifest.acted.retrieval == "shelf"
    made_by = f"{module}:Stores.shelf@{done.manifest.collection_fingerprint}"
    assert done.manifest.retrieval_settings == {"retriever": made_by, "passages": 2}
    assert [(one.source, one.cited) for one in done.manifest.passages] == [("chapel.md", True)]
    own = (await answered(bot, "When can I visit?", Overrides(adapter="off", retrieval="hospital")))[-1]
    assert isinstance(own, Done) and own.manifest.collection_fingerprint == corpus.fingerprint
    assert bot.known().collections == {"hospital", "shelf"}
    assert (await bot.ready())["documents"] == "ok"
    bot.records.close()


async def test_a_search_by_its_name_keeps_its_name(corpus: Corpus, tmp_path: Path) -> None:
    retriever = retriever_of(searching(tmp_path, {}), corpus).model_copy(update={"ways": {"shelf": told()}})
    found = await find(retriever, "When?", (), labels=READER, named="shelf")
    assert [one.text for one in found.passages] == ["Asked for: When?"] and found.origins == ()
