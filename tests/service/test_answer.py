import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from adapters.engines.protocol import AdapterRefused, EngineBusy, EngineError, Generation
from adapters.prompt import Turn
from ingest.corpus import Corpus
from ingest.library import open_library
from service import answer
from service.answer import Chatbot, Question
from service.events import Citation, Delta, Done, Event, Meta, Sources, Usage
from service.experiments.assign import Arm, Experiment, UnitRefused
from service.guard import check
from service.guard.emergencies import detect
from service.plan import FACTORS, Layers
from service.records import UnknownConversation
from service.retrieve import HybridRetriever, RetrievalError
from service.switches import Overrides, SwitchRefused
from tests.service.parts import ScriptedEngine, answered, chatbot, scripted

VISITING = "When can I visit the general wards?"
OFF = Overrides(prompt="off", retrieval="off", adapter="off")
ALL_SWITCHES = [Overrides(one, two, three) for one, two, three in product(("on", "off"), repeat=3)]


@pytest.fixture
def engine() -> ScriptedEngine:
    return scripted("From 10 a.m. to 8 p.m. [1]", ", every day [7].")


@pytest.fixture
def bot(corpus: Corpus, tmp_path: Path, engine: ScriptedEngine) -> Iterator[Chatbot]:
    made = chatbot(corpus, tmp_path, engine)
    yield made
    made.records.close()
    made.owner.close()


def done(events: list[Event]) -> Done:
    last = events[-1]
    assert isinstance(last, Done)
    return last


def shown(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


async def test_a_question_that_is_not_to_be_kept_leaves_no_trace(bot: Chatbot) -> None:
    kept, free = [finished(await answered(bot, Question(VISITING, keep=keep))) for keep in (True, False)]
    assert len(bot.records.conversation(kept, None).messages) == 1
    with pytest.raises(UnknownConversation):
        bot.records.conversation(free, None)


def finished(events: list[Event]) -> str:
    """The conversation's id of an answer that came to its end."""
    done(events)
    first = events[0]
    assert isinstance(first, Meta)
    return first.conversation_id


async def test_an_answer_in_all_three_layers(bot: Chatbot, engine: ScriptedEngine) -> None:
    events = await answered(bot, VISITING, user="ann")
    kinds = [type(event) for event in events]
    assert kinds == [Meta, Sources, Delta, Citation, Delta, Usage, Done]
    manifest = done(events).manifest
    assert shown(events) == done(events).text == "From 10 a.m. to 8 p.m. [1], every day."
    assert manifest.asked == manifest.acted == Layers("house@1", "hospital", "style@1")
    assert (manifest.path, manifest.engine, manifest.adapter_sha256) == ("model", "scripted", "hash of style@1")
    assert manifest.prompt_sha256 == bot.prompts["house@1"].hash
    assert manifest.collection_fingerprint == bot.corpus.fingerprint
    assert manifest.passages[0].source == "visiting.md"
    assert isinstance(bot.retriever, HybridRetriever)
    assert manifest.retrieval_settings == bot.retriever.settings()
    assert manifest.tokens == {"prompt": 50, "completion": 9}
    assert manifest.timings.keys() == {"retrieve", "wait", "prompt", "answer"}
    assert engine.seen[0][1].adapter == "style@1"


async def test_the_manifest_holds_what_an_answer_needs_to_be_made_again(bot: Chatbot) -> None:
    earlier = tuple(Turn(f"Question {number}?", "Yes.") for number in range(3))
    question = Question(VISITING, earlier, json_schema={"type": "object"})
    events = [event async for event in bot.answer(question, bot.plan(Overrides(top_p=0.9), None))]
    manifest = done(events).manifest
    assert (manifest.turns, manifest.top_p, manifest.json_schema) == (2, 0.9, {"type": "object"})
    manifest = done(await answered(bot, VISITING)).manifest
    assert (manifest.turns, manifest.top_p, manifest.json_schema) == (0, 1.0, None)


async def test_the_engine_is_asked_with_the_values_that_the_manifest_tells(
    bot: Chatbot, engine: ScriptedEngine
) -> None:
    form = {"type": "object"}
    plan = bot.plan(Overrides(max_tokens=7, temperature=0.5, top_p=0.9, seed=3), None)
    manifest = done([event async for event in bot.answer(Question(VISITING, json_schema=form), plan)]).manifest
    [(_, asked)] = engine.seen
    assert asked == Generation(
        adapter="style@1", max_tokens=7, temperature=0.5, top_p=0.9, seed=3, json_schema=form
    )
    assert (manifest.max_tokens, manifest.temperature, manifest.top_p, manifest.seed) == (7, 0.5, 0.9, 3)


async def test_the_asker_s_labels_decide_what_answers_and_searches_show(bot: Chatbot) -> None:
    asked = "What is the gate code of the Badge Garage for staff?"
    for labels, told in ((frozenset({"public"}), False), (frozenset({"public", "staff"}), True)):
        [sources] = [e for e in await answered(bot, Question(asked, labels=labels)) if isinstance(e, Sources)]
        found = await bot.search(asked, (), None, None, labels)
        for passages in (sources.passages, found.passages):
            assert ("staff-parking.md" in {passage.source for passage in passages}) == told


async def test_the_cited_passage_is_the_one_that_was_shown(bot: Chatbot) -> None:
    events = await answered(bot, VISITING)
    [sources] = [event for event in events if isinstance(event, Sources)]
    [citation] = [event for event in events if isinstance(event, Citation)]
    assert citation == Citation(1, sources.passages[0].chunk_id)


@pytest.mark.parametrize("overrides", ALL_SWITCHES, ids=str)
async def test_every_combination_of_switches_acts_as_asked(
    bot: Chatbot, engine: ScriptedEngine, overrides: Overrides
) -> None:
    manifest = done(await answered(bot, VISITING, overrides)).manifest
    whole = Layers("house@1", "hospital", "style@1")
    for factor in FACTORS:
        expected = getattr(whole, factor) if getattr(overrides, factor) == "on" else None
        assert getattr(manifest.acted, factor) == expected
        assert manifest.origins[factor] == "request"
    [(messages, generation)] = engine.seen
    assert generation.adapter == manifest.acted.adapter
    assert ("Willowmere" in messages[0].text) == (overrides.prompt == "on")
    assert ("10 a.m. to 8 p.m." in messages[1].text) == (overrides.retrieval == "on")


async def test_without_retrieval_no_citation_is_left(bot: Chatbot, engine: ScriptedEngine) -> None:
    events = await answered(bot, VISITING, Overrides(retrieval="off"))
    assert shown(events) == "From 10 a.m. to 8 p.m., every day."
    assert not [event for event in events if isinstance(event, Sources | Citation)]
    assert "Do not cite" in engine.seen[0][0][0].text


async def test_citations_are_filtered_across_any_pieces(corpus: Corpus, tmp_path: Path) -> None:
    bot = chatbot(corpus, tmp_path, scripted(*"Until 8 p.m. [1], [ 9 ] or [1, 9]. See [2", "2]."))
    assert done(await answered(bot, VISITING)).text == "Until 8 p.m. [1], or [1]. See."


async def test_json_is_not_taken_for_citations(corpus: Corpus, tmp_path: Path) -> None:
    bot = chatbot(corpus, tmp_path, scripted('{"pages": [7, 8]', ', "rows": [9]}'))
    question = Question(VISITING, json_schema={"type": "object"})
    assert done(await answered(bot, question)).text == '{"pages": [7, 8], "rows": [9]}'


async def test_where_nothing_is_found_no_model_runs(bot: Chatbot, engine: ScriptedEngine) -> None:
    events = await answered(bot, "Who won the football world cup in 1974?")
    manifest = done(events).manifest
    assert shown(events) == bot.defaults.no_answer
    assert (manifest.path, manifest.acted) == ("no_sources", Layers(None, "hospital", None))
    assert engine.seen == []


@pytest.mark.parametrize("overrides", ALL_SWITCHES, ids=str)
async def test_an_emergency_is_handed_off_in_every_combination(
    bot: Chatbot, engine: ScriptedEngine, overrides: Overrides
) -> None:
    events = await answered(bot, "my dad has crushing chest pain", overrides)
    assert [type(event) for event in events] == [Meta, Delta, Done]
    assert "911" in shown(events)
    manifest = done(events).manifest
    assert (manifest.path, manifest.acted) == ("emergency", Layers(None, None, None))
    assert manifest.rule == "heart"
    assert engine.seen == []


@pytest.mark.parametrize("overrides", ALL_SWITCHES, ids=str)
async def test_an_emergency_that_no_rule_knows_is_handed_off_in_every_combination(
    bot: Chatbot, engine: ScriptedEngine, overrides: Overrides
) -> None:
    question = Question("it feels like a belt is pulled tight around my ribs and I sweat")
    assert detect(question.text, bot.emergencies.rules) is None
    assert await bot.urgent(question.text)
    events = await answered(bot, question, overrides)
    assert [type(event) for event in events] == [Meta, Delta, Done]
    manifest = done(events).manifest
    assert (manifest.path, manifest.rule, manifest.acted) == ("emergency", "heart", Layers(None, None, None))
    assert engine.seen == []


async def test_an_emergency_in_a_follow_up_counts_and_one_in_the_history_does_not(bot: Chatbot) -> None:
    history = (Turn("my chest hurts", "Call 911 now."),)
    calm = done(await answered(bot, Question(VISITING, history=history)))
    urgent = done(await answered(bot, Question("and now i cant breathe", history=(Turn(VISITING, "10."),))))
    assert (calm.manifest.path, urgent.manifest.path) == ("model", "emergency")


async def test_help_comes_even_where_the_conversation_is_unknown(bot: Chatbot) -> None:
    question = Question("i want to die", conversation_id="gone", user="ann")
    events = await answered(bot, question)
    assert "988" in shown(events)
    [meta] = [event for event in events if isinstance(event, Meta)]
    assert bot.records.conversation(meta.conversation_id, "ann").messages[0].answer == shown(events)


# PostgreSQL tells the row that it does not take.
TOLD = "BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'Failing row contains (he is not breathing)'); END"


@pytest.mark.parametrize("fault", ["DROP TABLE messages", f"CREATE TRIGGER no_row {TOLD}"])
async def test_help_comes_even_where_nothing_can_be_recorded(
    bot: Chatbot, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    with bot.records._database.write() as connection:
        connection.execute(text(fault))
    events = await answered(bot, "he is not breathing")
    assert "911" in shown(events)
    assert done(events).manifest.path == "emergency"
    assert "not recorded" in caplog.text
    assert "he is not breathing" not in caplog.text


@pytest.mark.parametrize(("module", "name"), [(answer, "render"), (check, "detect")])
async def test_long_texts_are_read_beside_the_event_loop(
    bot: Chatbot, module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, threads = getattr(module, name), set()

    def noted(*values: object) -> object:
        threads.add(threading.get_ident())
        return real(*values)

    monkeypatch.setattr(module, name, noted)
    await answered(bot, VISITING)
    assert threads and threading.get_ident() not in threads


async def test_help_does_not_wait_for_searches(bot: Chatbot) -> None:
    """None of asyncio's own threads is free."""
    done = threading.Event()
    searches = [asyncio.create_task(asyncio.to_thread(done.wait, 60)) for _ in range(64)]
    try:
        events = await asyncio.wait_for(
            answered(bot, "it feels like a belt is tight around my ribs and I sweat"), 30
        )
        assert "911" in shown(events)
    finally:
        done.set()
        await asyncio.gather(*searches)


async def test_help_comes_even_where_a_layer_cannot_act(bot: Chatbot) -> None:
    wrong = Overrides(adapter="style@9")
    with pytest.raises(SwitchRefused):
        await bot.planned(VISITING, wrong, "ann")
    plan = await bot.planned("he is not breathing", wrong, "ann")
    assert plan.layers == Layers(None, None, None)


def break_reads(connection: Connection, table: str, told: str) -> None:
    """Whoever reads the table gets an error that tells this."""
    connection.execute(text(f"DROP TABLE {table}"))
    connection.execute(text(f'CREATE VIEW {table} AS SELECT * FROM "{told}"'))


async def test_help_comes_even_where_nothing_can_be_read(
    bot: Chatbot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = open_library(None, tmp_path)
    with nowhere._database.write() as connection:
        for table in ("collections", "conversations"):
            break_reads(connection, table, told="John Smith")
    bot = replace(bot, corpus=replace(bot.corpus, library=nowhere))
    with pytest.raises(SQLAlchemyError):
        await bot.planned(VISITING, Overrides(), None)
    asked = "my neighbour John Smith is not breathing"
    question = Question(asked, conversation_id="gone")
    events = [event async for event in bot.answer(question, await bot.planned(asked, Overrides(), None))]
    assert "911" in shown(events)
    assert "without its plan" in caplog.text and "without its conversation" in caplog.text
    assert "Smith" not in caplog.text


async def test_a_conversation_goes_on(bot: Chatbot, engine: ScriptedEngine) -> None:
    first = await answered(bot, VISITING, user="ann")
    assert isinstance(first[0], Meta)
    again = Question("And on Sundays?", conversation_id=first[0].conversation_id, user="ann")
    manifest = done(await answered(bot, again)).manifest
    assert manifest.search_query == f"{VISITING} And on Sundays?"
    assert manifest.passages[0].place == "Visiting hours > Sundays and holidays"
    assert [message.text for message in engine.seen[1][0]][1] == VISITING
    kept = bot.records.conversation(first[0].conversation_id, "ann").messages
    assert [message.question for message in kept] == [VISITING, "And on Sundays?"]
    assert kept[0].manifest["acted"]["adapter"] == "style@1"


async def test_turns_that_are_sent_win_over_those_that_are_kept(bot: Chatbot, engine: ScriptedEngine) -> None:
    sent = (Turn("What does parking cost?", "$2 an hour."),)
    question = Question("And at most?", sent, finished(await answered(bot, VISITING, user="ann")), "ann")
    await answered(bot, question)
    assert [message.text for message in engine.seen[1][0]][1] == "What does parking cost?"


async def test_only_the_configured_number_of_turns_is_seen(bot: Chatbot, engine: ScriptedEngine) -> None:
    history = tuple(Turn(f"question {number}", "answer") for number in range(9))
    await answered(bot, Question(VISITING, history=history))
    assert len(engine.seen[0][0]) == 1 + 2 * bot.defaults.history_turns + 1


def unrecorded(bot: Chatbot, meta: Meta) -> bool:
    with pytest.raises(UnknownConversation):
        bot.records.conversation(meta.conversation_id, None)
    return True


async def test_another_user_s_conversation_is_unknown(bot: Chatbot) -> None:
    meta = (await answered(bot, VISITING, user="ann"))[0]
    assert isinstance(meta, Meta)
    with pytest.raises(UnknownConversation):
        await answered(bot, Question("And?", conversation_id=meta.conversation_id, user="bob"))


async def test_an_answer_of_the_wrong_adapter_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    bot = chatbot(corpus, tmp_path, scripted("Sure.", liar=True))
    with pytest.raises(EngineError, match="style@1 was asked for and None acted"):
        await answered(bot, VISITING)


@pytest.mark.parametrize("error", [EngineBusy("full"), EngineError("broken")])
async def test_an_error_of_the_engine_is_no_answer(corpus: Corpus, tmp_path: Path, error: EngineError) -> None:
    bot = chatbot(corpus, tmp_path, scripted("From ", error))
    events = bot.answer(Question(VISITING), bot.plan(Overrides(), None))
    seen: list[Event] = []
    with pytest.raises(type(error)):
        async for event in events:
            seen.append(event)
    assert not [event for event in seen if isinstance(event, Done)]
    assert isinstance(seen[0], Meta)
    assert unrecorded(bot, seen[0])


async def test_an_adapter_is_loaded_once_when_it_is_first_asked_for(corpus: Corpus, tmp_path: Path) -> None:
    bot = chatbot(corpus, tmp_path, scripted("Yes.", pause=0.01))
    asked = [answered(bot, VISITING, Overrides(adapter=f"style@{1 + n % 2}")) for n in range(8)]
    acted = [done(events).manifest.acted.adapter for events in await asyncio.gather(*asked)]
    assert acted == ["style@1", "style@2"] * 4
    assert sorted(bot.adapters.shelf.verifications) == ["style@1", "style@2"]  # type: ignore[attr-defined]


async def test_an_adapter_that_does_not_pass_the_gate_is_refused(bot: Chatbot, engine: ScriptedEngine) -> None:
    with pytest.raises(AdapterRefused, match="not finite"):
        await answered(bot, VISITING, Overrides(adapter="broken@1"))
    assert engine.seen == []


async def test_closing_an_answer_stops_the_engine_and_records_nothing(corpus: Corpus, tmp_path: Path) -> None:
    engine = scripted(*["word "] * 1000, pause=0.001)
    bot = chatbot(corpus, tmp_path, engine)
    events = bot.answer(Question(VISITING), bot.plan(Overrides(), None))
    meta = await anext(events)
    while not isinstance(await anext(events), Delta):
        pass
    await events.aclose()
    await asyncio.sleep(0.01)
    assert engine.closed == 1
    assert isinstance(meta, Meta)
    assert unrecorded(bot, meta)


async def test_many_answers_at_once_do_not_mix(bot: Chatbot) -> None:
    plans = [ALL_SWITCHES[number % 8] for number in range(24)]
    answers = await asyncio.gather(*(answered(bot, VISITING, plan) for plan in plans))
    for plan, events in zip(plans, answers, strict=True):
        acted = done(events).manifest.acted
        assert [getattr(acted, factor) is not None for factor in FACTORS] == [
            getattr(plan, factor) == "on" for factor in FACTORS
        ]


async def test_an_empty_collection_is_an_error_and_the_model_is_not_asked(
    empty_corpus: Corpus, tmp_path: Path
) -> None:
    engine = scripted("I think at noon.")
    bot = chatbot(empty_corpus, tmp_path, engine)
    with pytest.raises(RetrievalError, match="no documents"):
        await answered(bot, VISITING)
    assert engine.seen == []
    assert "no documents" in (await bot.ready())["documents"]
    assert done(await answered(bot, VISITING, Overrides(retrieval="off"))).text == "I think at noon."
    without = replace(bot, defaults=replace(bot.defaults, switches={**bot.defaults.switches, "retrieval": "off"}))
    assert (await without.ready())["documents"] == "ok"


def half(factor: str, value: str = "off") -> Experiment:
    arms = (Arm("with", "on", 0.5), Arm("without", value, 0.5))
    return Experiment(f"{factor}-test", factor, f"layer-{factor}", 1.0, arms)  # type: ignore[arg-type]


async def test_an_experiment_decides_and_is_recorded_once(corpus: Corpus, tmp_path: Path) -> None:
    bot = chatbot(corpus, tmp_path, experiments=(half("adapter"), half("prompt")))
    arms = set()
    for user in ("ann", "bob", "cem", "dee", "eva", "fay"):
        for _ in range(2):
            manifest = done(await answered(bot, VISITING, user=user)).manifest
        arm = manifest.experiments["adapter-test"]
        assert (manifest.acted.adapter is not None) == (arm == "with")
        assert manifest.origins["adapter"] == "experiment:adapter-test"
        arms.add(arm)
    assert arms == {"with", "without"}
    assert len(bot.records.exposures("adapter-test")) == 6


async def test_an_experiment_starts_and_stops_while_the_service_runs(corpus: Corpus, tmp_path: Path) -> None:
    waiting = replace(half("adapter"), active=False)
    bot = chatbot(corpus, tmp_path, experiments=(waiting,))
    assert bot.plan(Overrides(), "ann").exposures == ()
    bot.records.experiments.start("adapter-test", (waiting,), "Ada")
    assert [one.experiment for one in bot.plan(Overrides(), "ann").exposures] == ["adapter-test"]
    bot.records.experiments.stop("adapter-test", (waiting,), "Ada")
    assert bot.plan(Overrides(), "ann").exposures == ()


async def test_who_switches_a_layer_or_gets_no_model_is_not_exposed(corpus: Corpus, tmp_path: Path) -> None:
    bot = chatbot(corpus, tmp_path, experiments=(half("adapter"), half("prompt")))
    await answered(bot, VISITING, Overrides(adapter="off"), user="ann")
    await answered(bot, "my dad is not breathing", user="bob")
    await answered(bot, "Who won the football world cup in 1974?", user="cem")
    await answered(bot, VISITING)
    assert bot.records.exposures("adapter-test") == []
    assert [kept.exposure.unit for kept in bot.records.exposures("prompt-test")] == ["ann"]


@pytest.mark.parametrize("table", ["exposures", "experiment_acts"])
async def test_help_comes_to_a_user_of_an_experiment_whose_records_cannot_be_read(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    bot = chatbot(corpus, tmp_path, experiments=(half("adapter"),))
    with bot.records._database.write() as connection:
        break_reads(connection, table, told="ann-4711")
    events = await answered(bot, "he is not breathing", user="ann-4711")
    assert done(events).manifest.path == "emergency"
    assert bot.plan(Overrides(), "ann-4711").exposures == ()
    [told] = {one.getMessage() for one in caplog.records if "experiments are left out" in one.getMessage()}
    assert "ann-4711" not in told


@pytest.mark.parametrize("user", ["", "zoë"])
async def test_a_user_whom_hashes_do_not_know_is_refused_only_by_experiments(bot: Chatbot, user: str) -> None:
    assert bot.plan(Overrides(), user).exposures == ()
    testing = replace(bot, defaults=replace(bot.defaults, experiments=(half("adapter"),)))
    with pytest.raises(UnitRefused):
        testing.plan(Overrides(), user)


async def test_search_shows_what_retrieval_finds(bot: Chatbot) -> None:
    found = await bot.search("What does the North Garage cost?", (), None, 1, frozenset({"public"}))
    assert [passage.source for passage in found.passages] == ["parking.md"]
    follow_up = await bot.search("And on Sundays?", (Turn(VISITING, "From 10."),), None, 1, frozenset({"public"}))
    assert follow_up.query == f"{VISITING} And on Sundays?"
    with pytest.raises(SwitchRefused):
        await bot.search("?", (), "nowhere", None, frozenset({"public"}))


async def test_the_configuration_tells_what_can_be_switched(bot: Chatbot) -> None:
    layers = bot.configuration()["layers"]
    assert layers["retrieval"] == {"switch": "on", "name": "hospital", "known": ["hospital"]}
    assert layers["adapter"]["known"] == ["broken@1", "style@1", "style@2"]
    assert "house@1" in layers["prompt"]["known"]
    assert bot.configuration()["limits"] == {"max_question_characters": 4000}


async def test_everything_is_ready(bot: Chatbot) -> None:
    assert await bot.ready() == dict.fromkeys(("library", "documents", "adapter", "engine"), "ok")


async def test_what_is_not_ready_is_told(bot: Chatbot) -> None:
    for layers, name, part, told in (
        (Layers("house@1", "annex", "style"), "annex", "documents", "'annex' has no documents"),
        (Layers("house@1", "hospital", "gone@1"), "hospital", "adapter", "gone@1"),
    ):
        defaults = replace(bot.defaults, layers=layers)
        states = await replace(bot, defaults=defaults, corpus=bot.corpus.named(name)).ready()
        assert told in states[part]
        assert {name for name, state in states.items() if state != "ok"} == {part}


async def test_a_library_that_cannot_be_read_is_not_ready(bot: Chatbot, tmp_path: Path) -> None:
    nowhere = open_library(None, tmp_path)
    with nowhere._database.write() as connection:
        connection.execute(text("DROP TABLE collections"))
    states = await replace(bot, corpus=replace(bot.corpus, library=nowhere)).ready()
    assert states["library"] == "the database does not answer (OperationalError)"


async def test_an_engine_that_cannot_answer_is_not_ready(bot: Chatbot) -> None:
    class Broken(ScriptedEngine):
        async def state(self) -> str:
            return "the process ended"

    assert (await replace(bot, engine=Broken()).ready())["engine"] == "the process ended"
