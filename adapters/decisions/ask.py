"""A case as a question to a language model, the JSON that it has to answer with, and how sure it was."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import ValidationError

from adapters.card import Part
from adapters.decisions.policy import DECISIONS, DecisionName
from adapters.decisions.records import Case, PastCase
from adapters.decisions.similar import Similar
from adapters.engines.protocol import Engine, EngineError, Generation
from adapters.prompt import BARE_SYSTEM, PromptTemplate, block, clean

# An untrained base puts blanks wherever JSON allows them.
MAX_TOKENS = 120
INSTEAD = "Ask again, or decide with the adapter 'head'."


class Said(Part):
    """What a model answers."""

    decision: DecisionName
    reason_code: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A model's decision, how sure it was (not calibrated), and which engine and base made it."""

    decision: DecisionName
    code: str
    confidence: float
    engine: str
    base: str


async def answered(
    engine: Engine, prompt: list[BaseMessage], decisions: Mapping[str, DecisionName], adapter: str | None
) -> Answered:
    """Ask with an adapter that is loaded. Raises EngineError, also where another adapter acted."""
    text, tokens, last = "", [], {}
    async for chunk in engine.astream(prompt, generation=generation(decisions, adapter)):
        text += str(chunk.content)
        tokens += chunk.response_metadata.get("logprobs", [])
        last = chunk.response_metadata
    if last.get("adapter", "unknown") != adapter:
        raise EngineError(f"The adapter {adapter} was asked for, another one acted. Nothing is decided.")
    said = read(text, decisions)
    sure = confidence(tokens, said.decision)
    return Answered(said.decision, said.reason_code, sure, last["engine"], last["base"])


def messages(
    template: PromptTemplate | None, rules: Sequence[str], case: Case, similar: Sequence[Similar]
) -> list[BaseMessage]:
    """`template` None is the prompt layer switched off: the bare request, with bare past ones, if any."""
    request = clean("\n".join(case.lines()))
    past = [clean(as_line(one)) for one in similar]
    if template is None:
        bare = "\n\n".join([*past, request, "Decision and reason code as JSON?"])
        return [SystemMessage(BARE_SYSTEM), HumanMessage(bare)]
    user = block(template, "user", rules=rules, similar=past, request=request)
    return [SystemMessage(block(template, "system")), HumanMessage(user)]


def messages_of_both_kinds(template: PromptTemplate) -> None:
    """Renders what the template is for, so that one that cannot is found out when it is read."""
    case = Case({"service": "MRI of the knee"}, {"measured": 6}, "In therapy.")
    past = Similar(PastCase("R1", case, "approved", "A2"), 1.0)
    for similar in ((), (past,)):
        messages(template, ["A2 approved: The condition is met."], case, similar)


def as_line(similar: Similar) -> str:
    """A past record on one line, its answer last, in the form of an answer."""
    past = similar.past
    return f"{'; '.join(past.case.lines()[1:])} -> {answer(past.decision, past.code)}"


def answer(decision: DecisionName, code: str) -> str:
    return json.dumps({"decision": decision, "reason_code": code})


def schema(decisions: Mapping[str, DecisionName]) -> dict[str, Any]:
    """A decision with one of its own codes; nothing else can be generated."""
    codes = {name: [code for code, of in decisions.items() if of == name] for name in DECISIONS}
    return {"anyOf": [one_decision(name, of) for name, of in codes.items() if of]}


def one_decision(name: str, codes: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "decision": {"type": "string", "enum": [name]},
            "reason_code": {"type": "string", "enum": list(codes)},
        },
        "required": ["decision", "reason_code"],
        "additionalProperties": False,
    }


def generation(decisions: Mapping[str, DecisionName], adapter: str | None) -> Generation:
    return Generation(adapter=adapter, max_tokens=MAX_TOKENS, json_schema=schema(decisions), logprobs=1)


def read(text: str, decisions: Mapping[str, DecisionName]) -> Said:
    """Raises EngineError for an answer that is not what the schema says: not every server holds a model to it.

    `decisions` maps each reason code to its decision.
    """
    try:
        said = Said.model_validate_json(text)
    except ValidationError as error:
        raise EngineError(
            f"The model answered {text[:80]!r}, which is no decision with a reason code. {INSTEAD}"
        ) from error
    if decisions.get(said.reason_code) != said.decision:
        expected = ", ".join(f"{code} ({decision})" for code, decision in decisions.items())
        raise EngineError(
            f"The model answered {text[:80]!r}, which is no decision with a reason code of its own; "
            f"the policy's codes are {expected}. {INSTEAD}"
        )
    return said


def confidence(tokens: Sequence[Mapping[str, Any]], decision: str) -> float:
    """The probability of the tokens that spell the decision, one after the other.

    Raises EngineError where the engine told none.
    """
    at, spelled, total, found = 0, "".join(str(token["token"]) for token in tokens), 0.0, False
    start = spelled.find(decision)
    for token in tokens:
        end = at + len(str(token["token"]))
        if start >= 0 and end > start and at < start + len(decision):
            total, found = total + float(token["logprob"]), True
        at = end
    if not found:
        raise EngineError(
            "The engine told no probabilities of its tokens, so that its decision cannot be calibrated. "
            "Use an engine that tells log probabilities, or the adapter 'head'."
        )
    return math.exp(total)
