"""The command `triptych decisions calibrate`: how often a language model is right, by how sure it is."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Annotated

import typer

from adapters.decisions.calibration import Calibration, calibrated
from adapters.decisions.commands import folder_of
from adapters.decisions.pack import CALIBRATIONS, read_calibrations, write_calibrations
from adapters.decisions.policy import PolicyError
from adapters.decisions.records import PastCase, of_split, request_of
from adapters.engines.protocol import EngineError
from adapters.terminal import REFUSED, WRONG_USE, ConfigOption, JsonOption, settings_of, show, stop
from configs.settings import Settings
from service.build import WRONG_SETUP, build
from service.decide import HEAD, Decided, Decider, way
from service.errors import InvalidRequest
from service.switches import Overrides

AT_A_TIME = 8

SwitchOption = Annotated[str, typer.Option(help="on, off, or a name.")]


def calibrate(
    prompt: SwitchOption = "on",
    retrieval: SwitchOption = "off",
    adapter: SwitchOption = "off",
    records: Annotated[int, typer.Option(min=50, help="How many calibration records.")] = 200,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Ask a language model about past records, and keep how often it was right. The service must not run."""
    overrides = Overrides(prompt=prompt, retrieval=retrieval, adapter=adapter)
    try:
        with settings_of(config, "A calibration needs the data folder for itself: stop it first.") as settings:
            name, found = asyncio.run(measured(settings, overrides, records))
    except (*WRONG_SETUP, InvalidRequest) as error:
        raise stop(str(error), WRONG_USE) from None
    except (EngineError, OSError) as error:
        raise stop(f"{error} Nothing was measured, and the pack is as it was.", REFUSED) from None
    told = f"{name}: slope {found.slope:.2f}, intercept {found.intercept:.2f}, from {found.records} records."
    show({"way": name, **found.model_dump()}, told, as_json)


async def measured(settings: Settings, overrides: Overrides, records: int) -> tuple[str, Calibration]:
    """Calibrates one way on the calibration split and keeps it in the pack.

    Raises what `build` raises; PolicyError also where the pack cannot be written; EngineError for the first record
    that the model did not decide.
    """
    file = folder_of(settings) / CALIBRATIONS
    async with build(settings) as chatbot:
        decider = chatbot.decider
        if decider is None or decider.plan(overrides).layers.adapter == HEAD:
            raise PolicyError("The head is calibrated when it is fitted; name another adapter, or off.")
        # As it is: better to learn before the model is asked than after that it cannot be written.
        write_calibrations(read_calibrations(file), file)
        held = drawn(of_split(decider.pack.past, "calibration"), records)
        found = calibration_of(held, await decisions(decider, held, overrides))
        name = way(decider.plan(overrides).layers)
    write_calibrations(read_calibrations(file) | {name: found}, file)
    return name, found


def drawn(past: Sequence[PastCase], count: int) -> list[PastCase]:
    """By chance, the same ones each time: the first by their ids may all be of one service, or of one year."""
    return Random(0).sample(past, min(count, len(past)))  # noqa: S311 - reproducible, not secret


def calibration_of(past: Sequence[PastCase], decided: Sequence[Decided]) -> Calibration:
    """From those that the same things decided: for a service without similar records, retrieval did not act."""
    origin = Counter(one.verdict.origin for one in decided).most_common(1)[0][0]
    alike = [pair for pair in zip(decided, past, strict=True) if pair[0].verdict.origin == origin]
    right = [one.verdict.decision == known.decision for one, known in alike]
    return calibrated([one.verdict.confidence for one, _ in alike], right, origin)


async def decisions(decider: Decider, past: Sequence[PastCase], overrides: Overrides) -> list[Decided]:
    """What these layers decide for past records, some at a time, in their order.

    Raises what `Decider.decide` raises for the first one that fails; the others are stopped, and nothing is left
    that asks a closed engine.
    """
    places = asyncio.Semaphore(AT_A_TIME)
    plan = decider.plan(overrides)

    async def one(known: PastCase) -> Decided:
        async with places:
            return await decider.decide(request_of(known.case), plan)

    tasks = [asyncio.create_task(one(known)) for known in past]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
