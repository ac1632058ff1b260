"""The stored turn, asked again: the same question, earlier turns, layers and sampling; or why that cannot be."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from adapters.prompt import Turn
from adapters.strength import split_strength
from service.answer import Chatbot, Question
from service.plan import BOTH, FACTORS, Factor, Interleaving, Layers, Plan
from service.records import KeptTurn
from service.replay.differences import Told, differences
from service.replay.passages import Stock
from service.replay.report import Replay
from service.replay.sentences import compared
from service.switches import Known, Overrides, resolve
from service.transcript import gathered

NOUNS = {"prompt": "prompt", "retrieval": "collection", "adapter": "adapter"}


class ReplayRefused(RuntimeError):
    """The turn cannot be replayed; the message says exactly why, and what can be done."""


async def replayed(chatbot: Chatbot, message_id: str, switches: Mapping[Factor, str]) -> Replay:
    """Ask again with these layers switched (`on`, `off` or a name each), and compare. Nothing is recorded.

    Raises UnknownMessage, SwitchRefused for a switch to what does not exist, ReplayRefused for a layer that is
    gone or a question that is not kept, and what answers raise.
    """
    turn = chatbot.records.turn(message_id)
    message, then = turn.message, Told(turn.message.answer, turn.message.manifest)
    question = question_of(turn, turns_of(then, chatbot.defaults.history_turns))
    before = plan_of(then.manifest, chatbot.defaults.top_p)
    plan = await planned(chatbot, before, question, switches)
    now = await told(chatbot, question, plan)
    switched = switched_between(before.layers, plan.layers)
    stock = Stock(chatbot.corpus.library, plan.layers.retrieval)
    return Replay(
        message=message.id,
        question=message.question,
        then=then,
        now=now,
        switched=switched,
        differences=tuple(differences(then, now, switched.keys(), stock.became)),
        sentences=tuple(compared(then.text, now.text)),
    )


async def planned(chatbot: Chatbot, before: Plan, question: Question, switches: Mapping[Factor, str]) -> Plan:
    """The plan with the switches. Raises SwitchRefused, and ReplayRefused if a layer that it needs is gone."""
    known = chatbot.known()
    overrides = Overrides(switches.get("prompt"), switches.get("retrieval"), switches.get("adapter"))
    plan = resolve(before, overrides, chatbot.defaults.layers, known)
    # No layer stands before an emergency, so none can be missing for its hand-off.
    if not await chatbot.urgent(question.text):
        check_there(plan.layers, switches.keys(), known)
    return plan


async def told(chatbot: Chatbot, question: Question, plan: Plan) -> Told:
    """The answer to exactly these earlier turns, however many the settings would take."""
    exact = replace(chatbot, defaults=replace(chatbot.defaults, history_turns=len(question.history)))
    done = (await gathered(exact.answer(question, plan))).done
    return Told(done.text, done.manifest.as_dict())


def turns_of(then: Told, configured: int) -> int:
    """How many earlier turns the answer saw; as configured where the manifest does not say it."""
    turns: int = configured if then.path == "emergency" else then.manifest.get("turns", configured)
    return turns


def question_of(turn: KeptTurn, turns: int) -> Question:
    """Raises ReplayRefused if the question's text was removed."""
    asked = turn.message.question
    if not asked.strip():
        raise ReplayRefused(
            f"The question of {turn.message.id} is no longer kept, its text was removed: it cannot be asked again."
        )
    earlier: tuple[Turn, ...] = turn.earlier[-turns:] if turns else ()
    return Question(asked, earlier, json_schema=turn.message.manifest.get("json_schema"), keep=False)


def plan_of(stored: Mapping[str, Any], top_p: float) -> Plan:
    """The plan as it was then, whatever experiments and settings say today; `top_p` where it was not recorded."""
    return Plan(
        layers=Layers(**stored["asked"]),
        origins=dict(stored["origins"]),
        max_tokens=stored["max_tokens"],
        temperature=stored["temperature"],
        top_p=stored.get("top_p", top_p),
        seed=stored["seed"],
        interleaving=interleaving_of(stored.get("interleaving")),
    )


def interleaving_of(stored: Mapping[str, Any] | None) -> Interleaving | None:
    """With the coin of then: the passages stand in the same order."""
    if stored is None:
        return None
    pairs = {name: tuple(stored[name]) for name in ("arms", "collections")}
    return Interleaving(**{**stored, **pairs})


def check_there(layers: Layers, switched: Collection[Factor], known: Known) -> None:
    """Raises ReplayRefused for a layer that was not switched and is gone; nothing takes its place."""
    for factor in (one for one in FACTORS if one not in switched):
        label: str | None = getattr(layers, factor)
        names = known.names(factor)
        if label is not None and not names.issuperset(stems(factor, label)):
            raise ReplayRefused(
                f"The {NOUNS[factor]} {label} that this answer was made with is no longer there; there are: "
                f"{', '.join(sorted(names)) or 'none'}. Put it back, or replay without it (--without {factor}) or "
                f"with another one (--with {factor}=NAME)."
            )


def stems(factor: Factor, label: str) -> list[str]:
    """An adapter's label without its strength; both collections that were interleaved."""
    if factor == "adapter":
        return [split_strength(label)[0]]
    return label.split(BOTH) if factor == "retrieval" else [label]


def switched_between(then: Layers, now: Layers) -> dict[Factor, tuple[str | None, str | None]]:
    """Layer -> what stood in it and what does now, where that differs."""
    pairs: dict[Factor, tuple[str | None, str | None]] = {
        factor: (getattr(then, factor), getattr(now, factor)) for factor in FACTORS
    }
    return {factor: pair for factor, pair in pairs.items() if pair[0] != pair[1]}
