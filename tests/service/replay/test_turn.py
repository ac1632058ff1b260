"""Real records, documents and rules; the engine's words depend on adapter, messages and seed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters.engines.protocol import AdapterRefused
from adapters.prompt import PromptTemplate, Turn
from ingest.corpus import Corpus
from ingest.database import Database, library_url
from service.answer import Chatbot, Question
from service.events import Done, Meta
from service.plan import Layers
from service.records import UnknownMessage
from service.replay.report import Replay
from service.replay.turn import ReplayRefused, replayed
from service.retrieve import HybridRetriever, RetrievalError
from service.switches import Overrides, SwitchRefused
from tests.service.conftest import PUBLIC_DOCUMENTS, ingest
from tests.service.evaluation.small_evaluation import LayeredEngine
from tests.service.parts import answered, chatbot

VISITING = "When can I visit the general wards?"
EMERGENCY = "my dad has crushing chest pain"
UNANSWERED = "Who won the football world cup in 1974?"


@pytest.fixture
def open_bot(corpus: Corpus, tmp_path: Path) -> Iterator[Callable[..., Chatbot]]:
    """The chatbot over the same records, as if the service had been started again with other values."""
    made: list[Chatbot] = []

    def opened(documents: Corpus = corpus, **defaults: Any) -> Chatbot:
        close(made)
        made.append(chatbot(documents, tmp_path, LayeredEngine(), **defaults))
        return made[-1]

    yield opened
    close(made)


def close(bots: list[Chatbot]) -> None:
    while bots:
        bot = bots.pop()
        bot.records.close()
        bot.owner.close()


@pytest.fixture
def bot(open_bot: Callable[..., Chatbot]) -> Chatbot:
    return open_bot()


async def asked(bot: Chatbot, question: str | Question, overrides: Overrides = Overrides()) -> str:
    """The id of a recorded answer."""
    first, *_, last = await answered(bot, question, overrides)
    assert isinstance(first, Meta) and isinstance(last, Done)
    return first.message_id


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The records' own, to look into and to change as no part of the product does."""
    opened = Database(library_url(None, tmp_path))
    yield opened
    opened.close()


def change(database: Database, statement: str, **values: str) -> None:
    with database.write() as connection:
        connection.execute(text(statement), values)


def told(replay: Replay) -> list[str]:
    return [one.sentence for one in replay.differences]


async def test_with_nothing_switched_it_is_equal_and_nothing_is_recorded(bot: Chatbot, database: Database) -> None:
    for overrides in (Overrides(), Overrides(prompt="off", seed=5), Overrides(retrieval="off", adapter="style@2")):
        replay = await replayed(bot, await asked(bot, VISITING, overrides), {})
        assert (replay.equal, told(replay), replay.switched) == (True, [], {})
        assert replay.then.manifest["asked"] == replay.now.manifest["asked"]
    with database.read() as connection:
        assert connection.execute(text("select count(*) from messages")).scalar_one() == 3


async def test_a_layer_is_switched_and_the_others_stay(bot: Chatbot) -> None:
    message = await asked(bot, VISITING)
    replay = await replayed(bot, message, {"adapter": "off"})
    assert replay.now.manifest["acted"] == {"prompt": "house@1", "retrieval": "hospital", "adapter": None}
    assert replay.switched == {"adapter": ("style@1", None)}
    assert not replay.equal and told(replay) == []
    other = await replayed(bot, message, {"adapter": "style@2", "prompt": "off"})
    assert other.switched == {"prompt": ("house@1", None), "adapter": ("style@1", "style@2")}
    same = await replayed(bot, message, {"adapter": "style"})
    assert (same.switched, same.equal) == ({}, True)


async def test_settings_of_today_have_no_say(open_bot: Callable[..., Chatbot]) -> None:
    bot = open_bot()
    first = await asked(bot, VISITING, Overrides(adapter="off"))
    talk = await answered(bot, VISITING)
    assert isinstance(talk[0], Meta)
    second = await asked(bot, Question("And on Sundays?", conversation_id=talk[0].conversation_id))
    today = {"layers": Layers(None, "hospital", "style@2"), "seed": 9, "max_tokens": 3, "history_turns": 0}
    bot = open_bot(**today, switches={"prompt": "off", "retrieval": "off", "adapter": "off"})
    for message in (first, second):
        replay = await replayed(bot, message, {})
        assert (replay.equal, told(replay)) == (True, [])
    assert replay.now.manifest["turns"] == 1


async def test_earlier_turns_that_the_caller_sent_are_missed(bot: Chatbot) -> None:
    message = await asked(bot, Question("And on Sundays?", (Turn(VISITING, "From 10 a.m."),)))
    *_, sentence = told(await replayed(bot, message, {"retrieval": "off"}))
    assert "1 went into the answer and 0 are kept" in sentence


async def test_hand_offs_and_answers_without_sources_are_replayed(bot: Chatbot) -> None:
    for question in (EMERGENCY, UNANSWERED):
        replay = await replayed(bot, await asked(bot, question), {})
        assert (replay.equal, told(replay)) == (True, [])
        assert replay.now.path == replay.then.path != "model"
    bare = await replayed(bot, await asked(bot, UNANSWERED), {"retrieval": "off"})
    assert told(bare) == ["Then nothing was found and the fixed text was given; now the model answered."]


async def test_an_edited_prompt_and_other_weights_are_named(bot: Chatbot) -> None:
    message = await asked(bot, VISITING)
    prompt = bot.prompts["house@1"]
    edited = PromptTemplate("house", 1, prompt.text.replace("Willowmere", "Elderflower"))
    weights = await bot.adapters.ready("style@1")
    assert weights
    bot.adapters.loaded["style@1"] = replace(weights, sha256="f" * 64)
    replay = await replayed(replace(bot, prompts={**bot.prompts, "house@1": edited}), message, {})
    assert [one.part for one in replay.differences] == ["prompt", "adapter"]
    assert "The prompt house@1 was edited" in told(replay)[0]
    assert "style@1 has other weights than then" in told(replay)[1]


async def test_settings_of_the_search_that_changed_are_named(bot: Chatbot, database: Database) -> None:
    message = await asked(bot, VISITING)
    retriever = bot.retriever
    assert isinstance(retriever, HybridRetriever)
    fewer = replace(bot, retriever=retriever.model_copy(update={"passages": 1, "min_share": 0.1}))
    setting, other, *passages = told(await replayed(fewer, message, {}))
    assert setting == "The search's passages was 3 then and is 1 now."
    assert other.startswith("The search's min_share was ") and other.endswith(" then and is 0.1 now.")
    assert passages and all("not among the best any more" in one for one in passages)
    # As an earlier program kept it.
    change(database, "update messages set manifest = json_remove(manifest, '$.retrieval_settings')")
    assert told(await replayed(bot, message, {})) == []
    unrecorded, *_ = told(await replayed(fewer, message, {}))
    assert "were not recorded then" in unrecorded


async def test_a_document_that_is_gone_is_named(empty_corpus: Corpus, open_bot: Callable[..., Chatbot]) -> None:
    ingest(empty_corpus, PUBLIC_DOCUMENTS)
    bot = open_bot(empty_corpus)
    message = await asked(bot, "Are flowers allowed in intensive care?")
    assert empty_corpus.serving
    empty_corpus.library.remove_document(empty_corpus.serving.id, "icu.md")
    path, *found = told(await replayed(bot, message, {}))
    assert path == "Then the model answered; now nothing was found and the fixed text was given."
    first = "The passage icu.md > Flowers that was shown as 1 is no longer in the collection hospital: its document"
    assert found[0].startswith(first)
    for source in PUBLIC_DOCUMENTS:
        empty_corpus.library.remove_document(empty_corpus.serving.id, source)
    with pytest.raises(RetrievalError, match="has no documents"):
        await replayed(bot, message, {})


@pytest.mark.parametrize(
    ("layer", "noun"), [("prompt", "prompt"), ("adapter", "adapter"), ("retrieval", "collection")]
)
async def test_a_version_that_is_gone_is_refused_unless_it_is_switched(
    bot: Chatbot, database: Database, layer: Any, noun: str
) -> None:
    message = await asked(bot, VISITING)
    emergency = await asked(bot, EMERGENCY)
    # As if all kept answers had been made with a layer of this name.
    renamed = "update messages set manifest = json_set(manifest, :path, :name)"
    change(database, renamed, path=f"$.asked.{layer}", name=f"{layer}-of-old@7")
    with pytest.raises(ReplayRefused, match=f"The {noun} {layer}-of-old@7 .*--without {layer}"):
        await replayed(bot, message, {})
    assert (await replayed(bot, message, {layer: "off"})).switched[layer] == (f"{layer}-of-old@7", None)
    assert (await replayed(bot, emergency, {})).equal


async def test_a_turn_that_is_not_kept_is_refused(bot: Chatbot, database: Database) -> None:
    message = await asked(bot, VISITING)
    with pytest.raises(UnknownMessage, match="removed since"):
        await replayed(bot, "0" * 32, {})
    change(database, "update messages set question = ''")
    with pytest.raises(ReplayRefused, match="its text was removed"):
        await replayed(bot, message, {})


async def test_what_cannot_act_is_refused(bot: Chatbot) -> None:
    message = await asked(bot, VISITING)
    with pytest.raises(SwitchRefused, match="style@9"):
        await replayed(bot, message, {"adapter": "style@9"})
    with pytest.raises(AdapterRefused, match="not finite"):
        await replayed(bot, message, {"adapter": "broken@1"})
    halved = await replayed(bot, message, {"adapter": "style@2*0.5"})
    assert halved.now.manifest["acted"]["adapter"] == "style@2*0.5"
