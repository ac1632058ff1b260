import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.engines.protocol import AdapterRefused
from ingest.corpus import Corpus
from service.answer import Chatbot
from service.evaluation.design import cells_of, read_design
from service.evaluation.house_style import HouseStyle, Learnt
from service.evaluation.origin import made_from
from service.evaluation.selection import selected
from service.evaluation.store import run_id
from service.langchain_search import LangChainSearch
from service.retrieve import HybridRetriever, RetrievalError, searchable
from tests.service.conftest import PUBLIC_DOCUMENTS, ingest
from tests.service.evaluation.small_evaluation import written
from tests.service.parts import chatbot


@pytest.fixture
def bot(empty_corpus: Corpus, tmp_path: Path) -> Iterator[Chatbot]:
    (tmp_path / "bot").mkdir()
    made = chatbot(empty_corpus, tmp_path / "bot")
    yield made
    made.records.close()
    made.owner.close()


async def origin(bot: Chatbot, folder: Path, house: HouseStyle | None = None, **changes: Any) -> dict[str, Any]:
    design = read_design(written(folder, **changes))
    return await made_from(bot, design, cells_of(design.factors), selected(design), {"emergencies": "e"}, house)


async def test_without_documents_it_says_what_to_do(bot: Chatbot, tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="Run `triptych ingest sync`"):
        await origin(bot, tmp_path)


async def test_everything_that_decides_is_in_it(bot: Chatbot, tmp_path: Path) -> None:
    ingest(bot.corpus, PUBLIC_DOCUMENTS)
    made = await origin(bot, tmp_path)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["prompts"] == {"house@1": bot.prompts["house@1"].hash}
    assert made["adapters"] == {"style@1": "hash of style@1"}
    assert made["collections"]["hospital"]["documents"] == len(PUBLIC_DOCUMENTS)
    assert made["base"] == bot.engine.base
    assert str(tmp_path) not in json.dumps(made), "the same run on another machine has the same id"


async def test_another_search_is_in_it_with_its_settings(bot: Chatbot, tmp_path: Path) -> None:
    ingest(bot.corpus, PUBLIC_DOCUMENTS)
    own = bot.retriever
    assert isinstance(own, HybridRetriever)
    factors = {"prompt": ["off", "on"], "retrieval": ["on", "short"], "adapter": ["off", "on"]}
    made = []
    for passages in (1, 2):
        ways = {"short": own.model_copy(update={"passages": passages}), "unused": own}
        searching = replace(bot, retriever=own.model_copy(update={"ways": ways}))
        made.append(await origin(searching, tmp_path, factors=factors))
        assert made[-1]["searches"] == {"short": own.settings() | {"passages": passages}}
        assert made[-1]["collections"]["short"] == made[-1]["collections"]["hospital"]
    assert run_id(made[0]) != run_id(made[1])


async def test_a_retriever_of_one_s_own_is_in_it_by_what_made_it(bot: Chatbot, tmp_path: Path) -> None:
    ingest(bot.corpus, PUBLIC_DOCUMENTS)
    factors = {"prompt": ["off", "on"], "retrieval": ["on", "shelf"], "adapter": ["off", "on"]}
    made = []
    for fingerprint in ("f1", "f2"):
        shelf = LangChainSearch("shelf", bot.retriever, "mine:shelf", fingerprint, 3, frozenset())
        searching = replace(bot, retriever=bot.retriever.model_copy(update={"ways": {"shelf": shelf}}))
        made.append(await origin(searching, tmp_path, factors=factors))
        assert made[-1]["collections"].keys() == {"hospital"}
    assert run_id(made[0]) != run_id(made[1])


async def test_the_id_changes_with_a_document_and_with_a_declared_margin(bot: Chatbot, tmp_path: Path) -> None:
    ingest(bot.corpus, PUBLIC_DOCUMENTS)
    before = run_id(await origin(bot, tmp_path))
    assert run_id(await origin(bot, tmp_path)) == before
    assert run_id(await origin(bot, tmp_path, guardrails=[])) != before
    ingest(bot.corpus, {"parking.md": "# Parking\n\nParking is free now."})
    assert run_id(await origin(bot, tmp_path)) != before


async def test_the_id_changes_with_who_may_read_a_document_and_not_before(bot: Chatbot, tmp_path: Path) -> None:
    ingest(bot.corpus, PUBLIC_DOCUMENTS)
    made = await origin(bot, tmp_path)
    assert made["collections"]["hospital"].keys() == {"fingerprint", "documents", "sha256"}
    ids = [run_id(made)]
    for labels in ({"staff"}, {"staff", "public"}, {"public"}):
        bot.corpus.library.set_labels(searchable(bot.corpus).id, "parking.md", labels)
        ids.append(run_id(await origin(bot, tmp_path)))
    assert ids[3] == ids[0] and len(set(ids)) == 3


async def test_the_id_changes_with_the_texts_that_a_style_is_learnt_from_and_not_with_their_place(
    bot: Chatbot, tmp_path: Path
) -> None:
    ingest(bot.corpus, PUBLIC_DOCUMENTS)

    def house(sha256: str) -> HouseStyle:
        return HouseStyle(Learnt(examples=60, documents=12, sha256=sha256, missing="too alike"), None)

    bare = run_id(await origin(bot, tmp_path))
    ids = [
        run_id(await origin(bot, tmp_path, house=house(sha256), style={"like": place}))
        for sha256, place in (("a", "one.yaml"), ("a", "other.yaml"), ("b", "one.yaml"))
    ]
    assert ids[0] == ids[1] != ids[2]
    assert bare not in ids


async def test_an_adapter_that_is_refused_ends_it_at_once(bot: Chatbot, tmp_path: Path) -> None:
    ingest(bot.corpus, PUBLIC_DOCUMENTS)
    factors = {"prompt": ["off", "on"], "retrieval": ["off", "on"], "adapter": ["off", "broken@1"]}
    with pytest.raises(AdapterRefused, match="not finite"):
        await origin(bot, tmp_path, factors=factors)
