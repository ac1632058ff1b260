import asyncio
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.engines.handoff import Handoff
from adapters.engines.peft_batch import PIECE, Batch
from adapters.engines.peft_cache import ROOM
from adapters.engines.peft_model import Owned
from adapters.engines.peft_row import Row
from adapters.engines.protocol import EngineError, Generation, PromptTooLong
from tests.adapters.engines.peft_tiny import NAMES, owned_with_adapters

MakeRow = Callable[..., Row]
PROMPTS = ("When?", "Where do I park?", "What does it cost, and whom do I call? " * 2, "Is it far? " * 40)


@pytest.fixture(scope="module")
def owned(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Owned:
    return owned_with_adapters(tiny_model, tmp_path_factory.mktemp("adapters"))


@pytest.fixture
def batch(owned: Owned) -> Batch:
    return Batch(owned, slots=4, cache_prompt=True)


@pytest.fixture(scope="module")
def row() -> Iterator[MakeRow]:
    """A request under an adapter, or the base; nobody reads what it puts."""
    loop = asyncio.new_event_loop()

    def made(text: str, adapter: str | None = None, **values: Any) -> Row:
        wanted = Generation(adapter=adapter, **{"max_tokens": 8} | values)
        return Row([{"role": "user", "content": text}], wanted, Handoff(loop))

    yield made
    loop.close()


def finish(batch: Batch, *rows: Row) -> None:
    batch.waiting.extend(rows)
    while batch.step():
        pass


@pytest.fixture(scope="module")
def alone(owned: Owned, row: MakeRow) -> Any:
    """The tokens of a request that nothing else ran beside."""

    @cache
    def tokens(text: str, adapter: str | None, max_tokens: int, temperature: float, seed: int) -> list[int]:
        one = row(text, adapter, max_tokens=max_tokens, temperature=temperature, seed=seed)
        finish(Batch(owned, 1, cache_prompt=False), one)
        return one.text.ids

    return tokens


requests = st.tuples(
    st.sampled_from(PROMPTS),
    st.sampled_from(NAMES),
    st.sampled_from((1, 3, 9, ROOM + 6)),
    st.sampled_from((0.0, 0.0, 1.0)),
    st.integers(1, 2),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 6), requests), min_size=2, max_size=9), st.integers(1, 4), st.booleans())
def test_however_they_arrive_each_answers_as_it_does_alone(
    owned: Owned, alone: Any, row: MakeRow, arrivals: list[tuple[int, Any]], slots: int, cache_prompt: bool
) -> None:
    batch = Batch(owned, slots, cache_prompt)
    rows = []
    for pause, (text, adapter, max_tokens, temperature, seed) in arrivals:
        rows.append(row(text, adapter, max_tokens=max_tokens, temperature=temperature, seed=seed))
        batch.waiting.append(rows[-1])
        for _ in range(pause):
            batch.step()
            assert len(batch.running) <= slots
    finish(batch)
    assert [one.text.ids for one in rows] == [alone(*request) for _, request in arrivals]
    assert batch.layers == [], "an idle batch holds no memory"


def test_the_adapters_and_seeds_differ(alone: Any) -> None:
    assert len({tuple(alone(PROMPTS[0], name, 9, 0.0, 1)) for name in NAMES}) == 3
    assert alone(PROMPTS[0], None, 9, 1.0, 1) != alone(PROMPTS[0], None, 9, 1.0, 2)


def started(batch: Batch, *rows: Row) -> None:
    """Each has some tokens, and none has all."""
    batch.waiting.extend(rows)
    while len(batch.running) < len(rows):
        batch.step()


def test_a_cancelled_row_leaves_at_the_next_step_and_the_others_do_not_notice(
    batch: Batch, alone: Any, row: MakeRow
) -> None:
    rows = [row(PROMPTS[n % 3], NAMES[n % 3], max_tokens=40) for n in range(4)]
    started(batch, *rows)
    rows[1].handoff.cancelled.set()
    batch.step()
    assert rows[1] not in batch.running and rows[1].done.result(0) is None
    assert batch.layers[0].keys.shape[0] == 3
    finish(batch)
    for n in (0, 2, 3):
        assert rows[n].text.ids == alone(PROMPTS[n % 3], NAMES[n % 3], 40, 0.0, 0)


def test_one_can_be_cancelled_while_it_waits_or_its_prompt_is_read(batch: Batch, alone: Any, row: MakeRow) -> None:
    reading, waiting, staying = row(PROMPTS[3]), row(PROMPTS[0]), row(PROMPTS[1])
    batch.waiting.extend((reading, waiting, staying))
    batch.step()
    assert batch.reading and batch.reading.read == PIECE["cpu"]
    for one in (reading, waiting):
        one.handoff.cancelled.set()
    finish(batch)
    assert staying.text.ids == alone(PROMPTS[1], None, 8, 0.0, 0)
    assert [one.done.result(0) for one in (reading, waiting)] == [None, None]


def test_a_step_reads_as_many_short_prompts_as_it_has_time_and_places_for(
    batch: Batch, alone: Any, row: MakeRow
) -> None:
    rows = [row(PROMPTS[n % 2], NAMES[n % 3], max_tokens=9) for n in range(5)]
    batch.waiting.extend(rows)
    batch.step()
    assert {*batch.running} == {*rows[:4]} and list(batch.waiting) == [rows[4]]
    finish(batch)
    assert [one.text.ids for one in rows] == [alone(PROMPTS[n % 2], NAMES[n % 3], 9, 0.0, 0) for n in range(5)]


def test_an_error_in_a_step_ends_the_rows_in_it_and_no_others(
    owned: Owned, batch: Batch, alone: Any, row: MakeRow
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    rows = [row(PROMPTS[n], NAMES[n], max_tokens=40) for n in range(3)]
    started(batch, *rows)
    hook = owned.plain.model.layers[1].register_forward_hook(fail)
    batch.step()
    hook.remove()
    for one in rows:
        with pytest.raises(EngineError, match=r"ask again. It says: out of memory"):
            one.done.result(0)
    later = [row(PROMPTS[n], NAMES[n], max_tokens=9) for n in range(3)]
    finish(batch, *later)
    assert [one.text.ids for one in later] == [alone(PROMPTS[n], NAMES[n], 9, 0.0, 0) for n in range(3)]


def test_an_error_in_a_prompt_or_in_one_rows_sampling_is_that_rows_only(
    batch: Batch, alone: Any, row: MakeRow
) -> None:
    good = row(PROMPTS[1], NAMES[1], max_tokens=40)
    started(batch, good)
    finish(batch, long := row("far " * 400), odd := row("When?", temperature=float("nan")))
    with pytest.raises(PromptTooLong, match="the context holds 1024"):
        long.done.result(0)
    with pytest.raises(EngineError, match="ask again"):
        odd.done.result(0)
    assert good.text.ids == alone(PROMPTS[1], NAMES[1], 40, 0.0, 0)


def test_the_beginning_of_a_prompt_is_read_once_for_each_adapter(batch: Batch, alone: Any, row: MakeRow) -> None:
    first, again = row(PROMPTS[3] + "By bus?", NAMES[1]), row(PROMPTS[3] + "On foot?", NAMES[1])
    other, same = row(PROMPTS[3] + "On foot?", NAMES[2]), row(PROMPTS[3] + "On foot?", NAMES[1])
    for one in (first, again, other, same):
        finish(batch, one)
        assert one.text.ids == alone(one.messages[0]["content"], one.adapter, 8, 0.0, 0)
    assert (first.cached_tokens, other.cached_tokens) == (0, 0)
    assert len(PROMPTS[3]) < again.cached_tokens < again.prompt_tokens
    assert same.cached_tokens == same.prompt_tokens - 1
    batch.forget(str(NAMES[1]))
    finish(batch, once_more := row(PROMPTS[3], NAMES[1]))
    assert once_more.cached_tokens == 0


def test_log_probabilities_are_each_rows_own(batch: Batch, owned: Owned, row: MakeRow) -> None:
    def asked() -> list[Row]:
        return [row(PROMPTS[n], NAMES[n], logprobs=n + 1, max_tokens=4) for n in range(3)]

    finish(batch, *(together := asked()))
    for n, (one, single) in enumerate(zip(together, asked(), strict=True)):
        finish(Batch(owned, 1, cache_prompt=False), single)
        assert [len(token["top_logprobs"]) for token in logprobs(one)] == [n + 1] * 4
        found, expected = ([token["logprob"] for token in logprobs(each)] for each in (one, single))
        assert found == pytest.approx(expected, abs=1e-4)


def logprobs(one: Row) -> list[Any]:
    choices = [choice for chunk in one.handoff._pieces for choice in chunk["choices"]]
    return [token for choice in choices for token in (choice.get("logprobs") or {}).get("content", ())]
