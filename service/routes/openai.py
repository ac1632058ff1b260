"""The part of OpenAI's API that chat clients use: /v1/chat/completions and /v1/models."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from service.answer import Chatbot, Question
from service.completions import BASE, CONFIGURED, Completion, bare_question, overrides, question
from service.deps import AdmissionDep, ChatbotDep, Limits, LimitsDep
from service.errors import InvalidRequest, UnknownModel
from service.openai_schemas import CompletionRequest, OpenAIError
from service.plan import Plan
from service.streaming import STREAMED, EventStream, unless_disconnected
from service.switches import SwitchRefused
from service.transcript import gathered

router = APIRouter(
    prefix="/v1", tags=["openai"], responses={"4XX": {"model": OpenAIError}, "5XX": {"model": OpenAIError}}
)


@router.post("/chat/completions", response_model=None, responses=STREAMED)
async def complete(
    body: CompletionRequest,
    request: Request,
    chatbot: ChatbotDep,
    admission: AdmissionDep,
    limits: LimitsDep,
) -> JSONResponse | EventStream:
    """Answer the last message. Switches go into `triptych.layers`, an adapter also into `model`;
    the message (or the last chunk's delta) carries the sources and the manifest under `triptych`."""
    asked = await heard(body, chatbot, limits)
    events = admission.answer(chatbot, asked, await planned(chatbot, asked, body))
    completion = Completion(body)
    if body.stream:
        return EventStream(completion.frames(events), limits.heartbeat_seconds)
    return JSONResponse(completion.whole(await unless_disconnected(request.receive, gathered(events))))


async def heard(body: CompletionRequest, chatbot: Chatbot, limits: Limits) -> Question:
    """The question. Of messages that cannot be honoured what was said last, if that is an emergency: help must come
    whatever a client puts before it. Raises InvalidRequest.
    """
    try:
        asked = question(body)
    except InvalidRequest:
        asked = bare_question(body)
        if not await chatbot.urgent(asked.text[-limits.max_question_characters :]):
            raise
    return replace(asked, text=await limits.within(asked.text, chatbot))


async def planned(chatbot: Chatbot, asked: Question, body: CompletionRequest) -> Plan:
    try:
        return await chatbot.planned(asked.text, overrides(body), body.user, body.triptych.attributes)
    except SwitchRefused as error:
        if error.layer == "adapter" and body.model not in (CONFIGURED, BASE):
            raise UnknownModel(f"{error} GET /v1/models lists the models.") from error
        raise


@router.get("/models")
def models(chatbot: ChatbotDep) -> dict[str, Any]:
    """`triptych` answers as configured, `triptych-base` without an adapter, any other with that adapter."""
    return {"object": "list", "data": [model(name) for name in model_names(chatbot)]}


@router.get("/models/{name}")
def one_model(name: str, chatbot: ChatbotDep) -> dict[str, Any]:
    known = model_names(chatbot)
    if name not in known:
        raise UnknownModel(f"No model {name!r}; expected one of {', '.join(known)}.")
    return model(name)


def model_names(chatbot: Chatbot) -> list[str]:
    """Names alone stand for an adapter's promoted version."""
    known = chatbot.known()
    return [CONFIGURED, BASE, *sorted([*known.promoted, *known.adapters])]


def model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "triptych"}
