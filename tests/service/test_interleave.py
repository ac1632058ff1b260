"""The real documents in two collections, whole sections and small pieces, searched together for each answer."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from ingest.corpus import Corpus
from ingest.embed import Embedder
from ingest.split import Splitter
from service.answer import Chatbot, Question
from service.app import create_app
from service.events import Done, Meta, Sources
from service.experiments.preference import preference_of
from service.experiments.report import report_of
from service.experiments.running import ExperimentRefused, check_arms
from service.experiments.team_draft import same_text
from service.harvest import judged_answers
from service.langchain_search import LangChainSearch
from service.outcomes import Outcome
from service.plan import Interleaving, Layers
from service.replay.turn import ReplayRefused, replayed
from service.retrieve import HybridRetriever, RetrievalError
from service.switches import Overrides, SwitchRefused
from tests.service.conftest import PUBLIC_DOCUMENTS, STAFF_DOCUMENT, ingest, opened
from tests.service.experiments.small_interleaving import INTERLEAVED
from tests.service.parts import ScriptedEngine, answered, chatbot, scripted
from tests.service.scripted import ADMIN_KEY, served

QUESTION = "Who may visit the wards, and when?"
BOTH = "hospital+hospital-fine"


def ingest_twice(folder: Path, embedder: Embedder) -> Iterator[Corpus]:
    for corpus in opened(folder, embedder):
        fine = Splitter(embedder.count_tokens, 30, 0, False)
        for one in (corpus, replace(corpus, name="hospital-fine", splitter=fine)):
            ingest(one, PUBLIC_DOCUMENTS)
            ingest(one, {"staff-parking.md": STAFF_DOCUMENT}, "staff")
        yield corpus


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Corpus]:
    """Read only."""
    yield from ingest_twice(tmp_path_factory.mktemp("both"), embedder)


@pytest.fixture
def engine() -> ScriptedEngine:
    return scripted("From 10 a.m. to 8 p.m. [1], every day [7].")


@pytest.fixture
def bot(both: Corpus, tmp_path: Path, engine: ScriptedEngine) -> Iterator[Chatbot]:
    made = chatbot(both, tmp_path, engine, experiments=(INTERLEAVED,))
    yield made
    made.records.close()
    made.owner.close()


async def made(bot: Chatbot, question: str | Question = QUESTION, user: str = "ann") -> tuple[Meta, Sources, Done]:
    meta, sources, *_, done = await answered(bot, question, user=user)
    assert isinstance(meta, Meta) and isinstance(sources, Sources) and isinstance(done, Done)
    return meta, sources, done


async def test_both_collections_make_the_answer_and_the_manifest_says_so(bot: Chatbot) -> None:
    meta, sources, done = await made(bot)
    manifest = done.manifest
    assert manifest.asked == manifest.acted == Layers("house@1", BOTH, "style@1")
    assert manifest.origins["retrieval"] == "experiment:chunks"
    assert manifest.experiments == {"chunks": "whole+fine"}
    assert manifest.interleaving == Interleaving(
        "chunks", "s", ("whole", "fine"), ("hospital", "hospital-fine"), meta.message_id
    )
    stored = {one.name: one.fingerprint for one in bot.corpus.library.collections()}
    assert manifest.collection_fingerprint == f"{stored['hospital']}+{stored['hospital-fine']}"
    # As many as were shown, though each search looked deeper.
    assert manifest.retrieval_settings["passages"] == len(manifest.passages) == 3
    assert [one.cited for one in manifest.passages] == [True, False, False]
    assert [kept.exposure.arm for kept in bot.records.exposures("chunks")] == ["whole+fine"]
    chunks = {one.chunk_id: one.text for one in sources.passages}
    for one in manifest.passages:
        corpus = bot.corpus.named(str(one.collection))
        assert corpus.serving is not None
        found = corpus.library.passages(corpus.serving.id, [one.chunk_id], {"public"})
        assert found[one.chunk_id].text == chunks[one.chunk_id]


async def test_teams_are_even_no_text_comes_twice_and_either_drafts_first(bot: Chatbot) -> None:
    first = set()
    for _ in range(12):
        _, sources, done = await made(bot)
        teams = [one.team for one in done.manifest.passages]
        assert len(teams) == 3 and {*teams[:2]} == {"whole", "fine"}
        collections = {"whole": "hospital", "fine": "hospital-fine"}
        assert all(one.collection == collections[one.team] for one in done.manifest.passages if one.team)
        texts = sources.passages
        assert not any(same_text(one, two) for at, one in enumerate(texts) for two in texts[:at])
        first.add(teams[0])
    assert first == {"whole", "fine"}


async def test_two_ways_to_search_one_collection_can_be_interleaved(bot: Chatbot) -> None:
    own = bot.retriever
    assert isinstance(own, HybridRetriever)
    words = own.model_copy(update={"dense_weight": 0.0, "min_score": 0.0})
    arms = (INTERLEAVED.arms[0], replace(INTERLEAVED.arms[1], value="words"))
    both = replace(
        bot,
        retriever=own.model_copy(update={"ways": {"words": words}}),
        defaults=replace(bot.defaults, experiments=(replace(INTERLEAVED, arms=arms),)),
    )
    meta, _, done = await made(both)
    manifest = done.manifest
    assert manifest.acted.retrieval == "hospital+words"
    assert {one.collection for one in manifest.passages} == {"hospital"}
    assert {one.team for one in manifest.passages[:2]} == {"whole", "fine"}
    assert manifest.retrieval_settings["dense_weight"] == own.dense_weight
    assert manifest.retrieval_settings["words dense_weight"] == 0.0
    assert "words candidates" not in manifest.retrieval_settings, "it is the same"
    assert not (await replayed(both, meta.message_id, {})).differences


async def test_labels_hold_in_both(bot: Chatbot) -> None:
    question = "What is the gate code of the Badge Garage for staff?"
    _, sources, _ = await made(bot, question)
    assert not any(one.source == "staff-parking.md" for one in sources.passages)
    staff = Question(question, user="ann", labels=frozenset({"public", "staff"}))
    _, sources, done = await made(bot, staff)
    shown = zip(sources.passages, done.manifest.passages, strict=True)
    assert any(one.source == "staff-parking.md" for one, _ in shown)


async def test_who_switches_retrieval_is_not_interleaved(bot: Chatbot) -> None:
    for asked, acted in (("on", "hospital"), ("hospital-fine", "hospital-fine"), ("off", None)):
        *_, done = await answered(bot, QUESTION, Overrides(retrieval=asked), user="ann")
        assert isinstance(done, Done)
        assert (done.manifest.acted.retrieval, done.manifest.interleaving) == (acted, None)
        assert all((one.team, one.collection) == (None, None) for one in done.manifest.passages)
    assert bot.records.exposures("chunks") == []


async def test_who_was_interleaved_stays_so_whatever_becomes_of_the_coverage(bot: Chatbot) -> None:
    await made(bot)
    closed = replace(bot.defaults, experiments=(replace(INTERLEAVED, coverage=0.0),))
    plans = {user: replace(bot, defaults=closed).plan(Overrides(), user) for user in ("ann", "bob")}
    assert plans["ann"].interleaving is not None and plans["ann"].layers.retrieval == BOTH
    assert plans["bob"].interleaving is None and plans["bob"].layers.retrieval == "hospital"


async def test_nothing_found_in_either_is_a_fixed_text(bot: Chatbot, engine: ScriptedEngine) -> None:
    _, sources, done = await made(bot, "Who won the football world cup in 1974?")
    assert (done.manifest.path, sources.passages, engine.seen) == ("no_sources", (), [])
    assert preference_of(INTERLEAVED, bot.records.outcomes("chunks")).ties == 1


async def test_a_replay_drafts_the_same(bot: Chatbot) -> None:
    for _ in range(4):
        meta, _, done = await made(bot)
        replay = await replayed(bot, meta.message_id, {})
        assert (replay.equal, replay.differences) == (True, ())
        assert replay.now.manifest["passages"] == done.manifest.as_dict()["passages"]
        assert replay.now.manifest["interleaving"] == done.manifest.as_dict()["interleaving"]
    alone = await replayed(bot, meta.message_id, {"retrieval": "hospital-fine"})
    assert alone.switched == {"retrieval": (BOTH, "hospital-fine")}
    assert alone.now.manifest["interleaving"] is None


async def test_a_replay_without_one_of_the_collections_is_refused(
    tmp_path: Path, embedder: Embedder, engine: ScriptedEngine
) -> None:
    for corpus in ingest_twice(tmp_path, embedder):
        bot = chatbot(corpus, tmp_path, engine, experiments=(INTERLEAVED,))
        meta, _, _ = await made(bot)
        fine = corpus.named("hospital-fine").serving
        assert fine is not None
        corpus.library.drop_collection(fine.id)
        with pytest.raises(ReplayRefused, match=r"hospital\+hospital-fine"):
            await replayed(bot, meta.message_id, {})
        with pytest.raises(SwitchRefused, match="hospital-fine"):
            bot.plan(Overrides(), "ann")
        bot.records.close()


@pytest.mark.parametrize("other", ["empty", "strange"])
async def test_a_collection_that_cannot_search_makes_no_answer(
    tmp_path: Path, embedder: Embedder, engine: ScriptedEngine, other: str
) -> None:
    """One that has no documents, and one that another model embedded."""
    for corpus in opened(tmp_path, embedder):
        ingest(corpus, PUBLIC_DOCUMENTS)
        fingerprint = corpus.fingerprint if other == "empty" else f"another-{corpus.splitter.fingerprint}"
        corpus.library.switch_collection(corpus.library.ensure_collection("hospital-fine", fingerprint))
        bot = chatbot(corpus, tmp_path, engine, experiments=(INTERLEAVED,))
        with pytest.raises(RetrievalError, match="'hospital-fine'"):
            await made(bot)
        assert engine.seen == [] and bot.records.exposures("chunks") == []
        bot.records.close()


class Shelf(BaseRetriever):
    """A retriever of one's own."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [Document(text, metadata={"labels": ["public"]}) for text in ("Come at noon.", "Ring the bell.")]


async def test_a_retriever_of_one_s_own_can_be_interleaved(bot: Chatbot) -> None:
    shelf = LangChainSearch("shelf", Shelf(), "mine:Shelf", "f1", 3, frozenset())
    arms = (INTERLEAVED.arms[0], replace(INTERLEAVED.arms[1], value="shelf"))
    both = replace(
        bot,
        retriever=bot.retriever.model_copy(update={"ways": {"shelf": shelf}}),
        defaults=replace(bot.defaults, experiments=(replace(INTERLEAVED, arms=arms),)),
    )
    meta, _, done = await made(both)
    manifest = done.manifest
    assert manifest.acted.retrieval == "hospital+shelf"
    assert {(one.collection, one.team) for one in manifest.passages[:2]} == {
        ("hospital", "whole"),
        ("shelf", "fine"),
    }
    assert str(manifest.collection_fingerprint).endswith("+f1")
    assert manifest.retrieval_settings["shelf retriever"] == "mine:Shelf@f1"
    assert not (await replayed(both, meta.message_id, {})).differences


async def test_a_liked_answer_is_harvested_with_the_passages_of_both(bot: Chatbot) -> None:
    meta, sources, _ = await made(bot)
    bot.records.give_feedback(meta.message_id, "ann", Outcome("up"))
    [one] = judged_answers(bot.records, bot.corpus.library)
    pairs = zip(one.passages, sources.passages, strict=True)
    assert all(shown.text and passage.text in shown.text for shown, passage in pairs)


async def test_the_arms_report_counts_none_of_it(bot: Chatbot) -> None:
    await made(bot)
    apart = replace(INTERLEAVED, interleave=False)
    outcomes = bot.records.outcomes("chunks")
    assert [arm.answers for arm in report_of(apart, outcomes, {}).arms] == [0, 0]
    assert preference_of(INTERLEAVED, outcomes).answers == 1
    assert preference_of(INTERLEAVED, [replace(outcomes[0], arm="fine")]).answers == 0


async def test_a_collection_is_not_interleaved_with_itself(bot: Chatbot) -> None:
    one, other = INTERLEAVED.arms
    same = replace(INTERLEAVED, arms=(one, replace(other, value="hospital")))
    with pytest.raises(ExperimentRefused, match="with itself"):
        check_arms(same, bot.defaults.layers, bot.known())
    check_arms(INTERLEAVED, bot.defaults.layers, bot.known())


def test_over_http_what_is_cited_wins_unless_its_evidence_is_called_wrong(bot: Chatbot) -> None:
    @asynccontextmanager
    async def open_bot() -> AsyncIterator[Chatbot]:
        yield bot

    with served(create_app(open_bot(), admin_key=ADMIN_KEY), shutdown_seconds=1) as client:
        winners = []
        for user in ("ann", "bob", "cem", "dee"):
            answer = client.post("/chat", json={"question": QUESTION, "user": user}).json()
            assert answer["manifest"]["acted"]["retrieval"] == BOTH
            first, *others = answer["manifest"]["passages"]
            assert first["cited"] and not any(one["cited"] for one in others)
            winners.append(first["team"])
        word = {"rating": "down", "reasons": ["evidence_wrong"], "user": "dee"}
        assert client.post(f"/messages/{answer['message_id']}/feedback", json=word).is_success
        refused = client.post("/chat", json={"question": QUESTION, "layers": {"retrieval": BOTH}})
        assert refused.status_code == 422 and json.loads(refused.text)["type"].startswith("/problems/")
    turned = ["whole" if winners[-1] == "fine" else "fine"]
    report = preference_of(INTERLEAVED, bot.records.outcomes("chunks"))
    assert {one.name: one.wins for one in report.sides} == {
        name: [*winners[:-1], *turned].count(name) for name in ("whole", "fine")
    }
    assert (report.turned, report.users, report.ties) == (1, 4, 0)
