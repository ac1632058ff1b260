import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters.engines.protocol import EngineError
from ingest.corpus import Corpus
from service.answer import Chatbot
from service.evaluation.design import Design, cells_of, read_design
from service.evaluation.origin import made_from
from service.evaluation.report import report_of
from service.evaluation.run import answers
from service.evaluation.selection import selected
from service.evaluation.store import ANSWERS, Answer, Run, keep, opened_run, read_run
from service.switches import SwitchRefused
from tests.service.evaluation.small_evaluation import QUESTIONS, LayeredEngine, written
from tests.service.parts import chatbot


@pytest.fixture
def bots(corpus: Corpus, tmp_path: Path) -> Iterator[Any]:
    """Chatbots one after another, as one process after another would open them."""
    made: list[Chatbot] = []

    def bot(**engine: Any) -> Chatbot:
        folder = tmp_path / f"bot{len(made)}"
        folder.mkdir()
        made.append(chatbot(corpus, folder, LayeredEngine(**engine)))
        return made[-1]

    yield bot
    for one in made:
        one.records.close()
        one.owner.close()


@pytest.fixture
def design(tmp_path: Path) -> Design:
    return read_design(written(tmp_path))


async def started(bot: Chatbot, design: Design, root: Path) -> Run:
    questions = selected(design)
    return opened_run(
        root, design, questions, await made_from(bot, design, cells_of(design.factors), questions, {})
    )


async def gone_on(bot: Chatbot, design: Design, root: Path, limit: int | None = None) -> Run:
    run = await started(bot, design, root)
    left = answers(bot, design, run.questions[:limit], run.done)
    async with aclosing(left) as new:
        async for answer in new:
            keep(run, answer)
    return read_run(run.folder)


def told(run: Run) -> list[dict[str, Any]]:
    """The answers without what a clock measured and without ids that are drawn."""
    return [plain(answer) for answer in run.answers]


def plain(answer: Answer) -> dict[str, Any]:
    entry = answer.model_dump()
    entry["scores"].pop("milliseconds")
    if entry["manifest"]:
        entry["manifest"].pop("timings")
    return entry


async def test_every_question_is_asked_in_every_combination(bots: Any, design: Design, tmp_path: Path) -> None:
    run = await gone_on(bots(), design, tmp_path / "runs")
    places = [(answer.cell, answer.question) for answer in run.answers]
    assert len(places) == len(set(places)) == 8 * len(QUESTIONS)
    for answer in run.answers:
        assert answer.manifest is not None
        asked = answer.manifest["asked"]
        wanted = {"prompt": "house@1", "retrieval": "hospital", "adapter": "style@1"}
        for factor, name in wanted.items():
            assert asked[factor] == (name if getattr(answer.cell, factor) == "on" else None)


async def test_the_order_is_the_design_s(bots: Any, design: Design, tmp_path: Path) -> None:
    run = await gone_on(bots(), design, tmp_path / "runs")
    order = [(cell, question.id) for cell in cells_of(design.factors) for question in run.questions]
    assert [(answer.cell, answer.question) for answer in run.answers] == order


async def test_nothing_is_recorded_as_a_conversation(bots: Any, design: Design, tmp_path: Path) -> None:
    bot = bots()
    await gone_on(bot, design, tmp_path / "runs")
    with bot.records._database.read() as connection:
        for table in ("conversations", "messages", "exposures"):
            assert connection.execute(text(f"select count(*) from {table}")).scalar() == 0


async def test_a_killed_run_goes_on_to_the_same_results(bots: Any, design: Design, tmp_path: Path) -> None:
    whole = await gone_on(bots(), design, tmp_path / "whole")
    with pytest.raises(EngineError, match="the engine died"):
        await gone_on(bots(most=5), design, tmp_path / "killed")
    with pytest.raises(EngineError, match="the engine died"):
        await gone_on(bots(most=7), design, tmp_path / "killed")
    file = tmp_path / "killed" / whole.id / ANSWERS
    written_so_far = file.read_bytes()
    assert 0 < written_so_far.count(b"\n") < 8 * len(QUESTIONS)
    file.write_bytes(written_so_far[:-30])
    again = await gone_on(bots(), design, tmp_path / "killed")
    assert told(again) == told(whole)
    assert (again.folder / "questions.jsonl").read_text() == (whole.folder / "questions.jsonl").read_text()


async def test_a_run_that_is_stopped_stops_all_its_work(bots: Any, design: Design, tmp_path: Path) -> None:
    bot = bots()
    run = await started(bot, design, tmp_path / "runs")
    async with aclosing(answers(bot, design, run.questions, set())) as new:
        keep(run, await anext(new))
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    assert told(await gone_on(bot, design, tmp_path / "runs")) == told(await gone_on(bot, design, tmp_path / "new"))


async def test_a_finished_run_asks_nothing_more(bots: Any, design: Design, tmp_path: Path) -> None:
    first = await gone_on(bots(), design, tmp_path / "runs")
    bot = bots()
    again = await gone_on(bot, design, tmp_path / "runs")
    assert (again.answers, bot.engine.seen) == (first.answers, [])


async def test_a_limited_run_is_the_beginning_of_the_whole_one(bots: Any, design: Design, tmp_path: Path) -> None:
    few = await gone_on(bots(), design, tmp_path / "runs", limit=2)
    assert len(few.answers) == 16
    assert report_of(few).questions == 2
    whole = await gone_on(bots(), design, tmp_path / "runs")
    assert few.id == whole.id
    assert set(map(repr, told(few))) < set(map(repr, told(whole)))


async def test_the_same_seed_gives_the_same_numbers_and_another_one_another_run(bots: Any, tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        design = read_design(written(tmp_path / name, seed=seed))
        runs.append(await gone_on(bots(), design, tmp_path / name / "runs"))
    assert told(runs[0]) == told(runs[1])
    assert runs[0].id == runs[1].id != runs[2].id
    texts = [{answer.text for answer in run.answers} for run in runs]
    assert texts[0] == texts[1] != texts[2], "the seed reaches the engine"


async def test_answers_are_greedy_whatever_the_settings_say(bots: Any, design: Design, tmp_path: Path) -> None:
    bot = bots()
    await gone_on(bot, design, tmp_path / "runs", limit=1)
    assert {generation.temperature for _, generation in bot.engine.seen} <= {0.0}


async def test_a_prompt_without_room_is_a_failure_of_this_question(bots: Any, tmp_path: Path) -> None:
    long = {**QUESTIONS[0], "id": "long", "question": "What is very long?"}
    design = read_design(written(tmp_path, (long, *QUESTIONS)))
    run = await gone_on(bots(), design, tmp_path / "runs")
    failed = [answer for answer in run.answers if answer.status == "failed"]
    assert {answer.question for answer in failed} == {"long"}
    assert len(run.answers) == 8 * 5
    assert {answer.failed for answer in failed} == {"no room for it"}
    assert report_of(run).questions == 5, "it counts as not right; it is not left out"
    assert any(f"count as not right: {len(failed)};" in limit for limit in report_of(run).limits)


async def test_what_failed_is_asked_again_and_counts_once(bots: Any, tmp_path: Path) -> None:
    long = {**QUESTIONS[0], "id": "long", "question": "What is very long?"}
    design = read_design(written(tmp_path, (long, *QUESTIONS)))
    await gone_on(bots(), design, tmp_path / "runs")
    still = await gone_on(bots(), design, tmp_path / "runs")
    failed = [one.status for one in still.answers].count("failed")
    larger = bots(refused="nothing")
    run = await gone_on(larger, design, tmp_path / "runs")
    assert run.id == still.id and len(larger.engine.seen) == failed > 0
    assert len(run.answers) == len(still.answers) == 8 * 5
    assert "failed" not in {one.status for one in run.answers}
    assert not any("count as not right" in limit for limit in report_of(run).limits)


async def test_so_many_at_a_time_and_no_more(bots: Any, tmp_path: Path) -> None:
    design = read_design(written(tmp_path, concurrency=2))
    bot = bots()
    async with aclosing(answers(bot, design, selected(design), set())) as new:
        assert (await anext(new)).cell == cells_of(design.factors)[0]
        assert len(bot.engine.seen) <= 3


async def test_a_level_that_does_not_exist_is_refused_before_anything_is_asked(bots: Any, tmp_path: Path) -> None:
    factors = {"prompt": ["off", "on"], "retrieval": ["off", "on"], "adapter": ["off", "style@7"]}
    design = read_design(written(tmp_path, factors=factors))
    with pytest.raises(SwitchRefused, match="style@7"):
        await gone_on(bots(), design, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


async def test_three_levels_make_twelve_combinations(bots: Any, tmp_path: Path) -> None:
    factors = {"prompt": ["off", "on"], "retrieval": ["off", "on"], "adapter": ["off", "style@1", "style@2"]}
    run = await gone_on(bots(), read_design(written(tmp_path, factors=factors)), tmp_path / "runs")
    report = report_of(run)
    assert len(report.combinations) == 12
    assert [layer.name for layer in report.layers] == ["prompt", "retrieval", "adapter style@1", "adapter style@2"]
    assert list(islice((one.against for one in report.layers), 4)) == ["off"] * 4
