"""The bar on a terminal for work that takes long: what comes one by one is counted."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")


async def counted(items: AsyncGenerator[Item], name: str, total: int, done: int = 0) -> AsyncGenerator[Item]:
    """The items as they come; `done` of `total` were there before. No bar where standard error is no terminal.

    An item counts once the next one is asked for. Closing it closes the items.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    errors = Console(stderr=True)
    async with aclosing(items):
        with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
            task = bar.add_task(name, total=total, completed=done)
            async for item in items:
                yield item
                bar.advance(task)
