from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from service.evaluation.progress_bar import counted


async def numbers(closed: list[int]) -> AsyncGenerator[int]:
    try:
        for number in range(3):
            yield number
    finally:
        closed.append(number)


@pytest.mark.parametrize("terminal", [True, False])
async def test_all_come_and_are_counted_where_somebody_watches(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "100")
    async with aclosing(counted(numbers([]), "Run abc", 5, 2)) as new:
        assert [number async for number in new] == [0, 1, 2]
    told = capsys.readouterr().err
    assert ("Run abc" in told and "5/5" in told) if terminal else told == ""


async def test_who_stops_early_closes_what_makes_them() -> None:
    closed: list[int] = []
    async with aclosing(counted(numbers(closed), "Run", 3)) as new:
        async for _ in new:
            break
    assert closed == [0]
