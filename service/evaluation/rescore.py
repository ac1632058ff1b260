"""A kept run with another measure of style: its answers scored anew from their text, no model runs."""

from collections.abc import Mapping
from typing import Any

from ingest.durable import replace_text
from service.evaluation.design import Design, Style
from service.evaluation.house_style import HouseStyle
from service.evaluation.judge.judgements import JUDGEMENTS
from service.evaluation.origin import declared, style_texts
from service.evaluation.score import STYLE, Found, split, style
from service.evaluation.store import (
    ANSWERS,
    META,
    QUESTIONS,
    Answer,
    Run,
    as_lines,
    read_run,
    run_id,
    write_meta,
)


def rescored(run: Run, demands: Style, house: HouseStyle | None) -> Run:
    """The run that asking everything anew with this style would have made, beside the old one, which stays.

    It has the old one's answers, judgements and date, and an id of its own. A run that has this id already is left
    as it is.
    """
    design = run.design.model_copy(update={"style": demands})
    made_from = restyled(run.made_from, design, house)
    folder = run.folder.parent / run_id(made_from)
    if not (folder / META).is_file():
        folder.mkdir(exist_ok=True)
        replace_text(folder / QUESTIONS, as_lines(run.questions))
        replace_text(folder / ANSWERS, as_lines(rescored_answer(one, demands, house) for one in run.answers))
        if run.judgements:
            replace_text(folder / JUDGEMENTS, as_lines(run.judgements))
        setup = run.setup.model_copy(update={"style": house.learnt if house else None})
        # The last: where it is, the others are whole.
        write_meta(folder, run.created, design, made_from, setup)
    return read_run(folder)


def restyled(made_from: Mapping[str, Any], design: Design, house: HouseStyle | None) -> dict[str, Any]:
    kept = {name: value for name, value in made_from.items() if name != "style_texts"}
    declared_before = {**made_from["design"], "style": declared(design)["style"]}
    return {**kept, "design": declared_before, **style_texts(house)}


def rescored_answer(answer: Answer, demands: Style, house: HouseStyle | None) -> Answer:
    said = split(style_again(answer, demands, house))
    missing = {name: reason for name, reason in answer.missing.items() if name not in STYLE}
    return answer.model_copy(
        update={"scores": {**answer.scores, **said.values}, "missing": {**missing, **said.missing}}
    )


def style_again(answer: Answer, demands: Style, house: HouseStyle | None) -> Found:
    if answer.failed is not None:
        return dict.fromkeys(STYLE, answer.failed)
    return style(answer.text, answer.status, demands, house)
