"""The command `triptych advise`: a few questions, or a file that answers them, and which layers to use."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo
from rich.console import Console, Group, RenderableType
from rich.prompt import Confirm, FloatPrompt, IntPrompt, Prompt, PromptBase
from rich.text import Text

from adapters.terminal import WRONG_USE, ConfigOption, JsonOption, settings_of, show, stop
from service.evaluation.commands import runs_of
from service.evaluation.store import RunError, find_run

if TYPE_CHECKING:
    from service.evaluation.advise import Advised


def advise_command(
    answers: Annotated[
        Path | None, typer.Option(help="A YAML file that answers the questions; without it, they are asked.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="A run of `triptych evaluate`, whose effects are joined.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Prompt it, retrieve for it, or fine-tune for it? From your situation and, with --run, from measurement."""
    # scipy takes a second to import: only who needs statistics pays for it.
    from service.evaluation.advise import Situation, SituationError, advise, read_situation, situation_of
    from service.evaluation.report import report_of

    with settings_of(config) as settings:
        try:
            situation = read_situation(answers) if answers else situation_of(asked(Situation.model_fields))
            found = find_run(runs_of(settings), run) if run else None
            measured = report_of(found).layers if found else None
        except EOFError:
            raise stop(
                "Some questions have no answer. Give them all in a file: --answers FILE.", WRONG_USE
            ) from None
        except (SituationError, RunError) as error:
            raise stop(str(error), WRONG_USE) from None
    advised = advise(situation, measured)
    show({"situation": situation.model_dump(), **asdict(advised)}, as_terminal(advised), as_json)


def asked(fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Each field's question, on standard error, so that --json stays clean."""
    return {name: put(field) for name, field in fields.items()}


def put(field: FieldInfo) -> Any:
    console, kind = Console(stderr=True), field.annotation
    if choices := [str(choice) for choice in get_args(kind)]:
        return Prompt.ask(str(field.description), choices=choices, console=console)
    prompts: dict[Any, type[PromptBase[Any]]] = {bool: Confirm, int: IntPrompt, float: FloatPrompt}
    return prompts[kind].ask(str(field.description), console=console)


def as_terminal(advised: "Advised") -> RenderableType:
    lines: list[Text] = []
    for advice in advised.layers:
        lines.append(Text(f"{advice.layer}: {advice.use}", style="bold"))
        lines += [Text(f"  because {reason}") for reason in advice.reasons]
        if advice.measured:
            lines.append(Text(f"  measured: {advice.measured}", style="yellow" if advice.disagrees else ""))
    lines.append(Text("Next", style="bold"))
    lines += [Text(f"  {step}") for step in advised.next_steps]
    return Group(*lines)
