"""POST /chat: an answer as one JSON document, or as a stream of named events."""

from fastapi import APIRouter, Request

from service.answer import Question
from service.deps import AdmissionDep, ChatbotDep, LimitsDep
from service.schemas import ChatAnswer, ChatRequest
from service.streaming import STREAMED, EventStream, unless_disconnected
from service.switches import Overrides
from service.transcript import gathered, named_frames

router = APIRouter(tags=["chat"])


@router.post("/chat", response_model=ChatAnswer, responses=STREAMED)
async def chat(
    body: ChatRequest, request: Request, chatbot: ChatbotDep, admission: AdmissionDep, limits: LimitsDep
) -> ChatAnswer | EventStream:
    """Answer a question. With `stream` or `Accept: text/event-stream`, as the events meta, sources, delta,
    citation, usage and done; a stream without `done` has failed, and its last event is `error`."""
    text = await limits.within(body.question, chatbot)
    plan = await chatbot.planned(text, overrides(body), body.user, body.attributes)
    question = Question(text, conversation_id=body.conversation_id, user=body.user)
    events = admission.answer(chatbot, question, plan)
    if body.stream or "text/event-stream" in request.headers.get("accept", ""):
        return EventStream(named_frames(events), limits.heartbeat_seconds)
    return (await unless_disconnected(request.receive, gathered(events))).answer()


def overrides(body: ChatRequest) -> Overrides:
    return Overrides(**body.layers.model_dump(), **body.sampling.model_dump())
