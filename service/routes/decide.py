"""POST /decide: a request for pre-authorization becomes a decision, or is referred to a person."""

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from service.decide import Decided, Decider
from service.deps import AdmissionDep, ChatbotDep, LimitsDep, require_admin
from service.errors import NotFound
from service.schemas import DecideAnswer, DecideRequest, SimilarRecord
from service.streaming import unless_disconnected
from service.switches import Overrides

router = APIRouter(tags=["decisions"])


@router.post("/decide")
async def decide(
    body: DecideRequest, request: Request, chatbot: ChatbotDep, admission: AdmissionDep, limits: LimitsDep
) -> DecideAnswer:
    """Decide by the pack's policy, as the layers say. Nothing of the request is kept."""
    decider = chatbot.decider
    if decider is None:
        raise NotFound("Nothing is decided here: the settings name no decisions.folder.")
    if not decider.open:
        require_admin(request, limits)
    plan = await run_in_threadpool(decider.plan, Overrides(**body.layers.model_dump()))
    with admission.place():
        decided = await unless_disconnected(request.receive, decider.decide(body, plan))
    return answer(decided, decider)


def answer(decided: Decided, decider: Decider) -> DecideAnswer:
    return DecideAnswer(
        decision=decided.verdict.decision,
        reason_code=decided.verdict.code,
        rule=decided.rule,
        probability=None if decided.probability is None else round(decided.probability, 4),
        refer_to_person=decided.refer is not None,
        refer_reason=decided.refer,
        refer_below=decider.refer_below,
        similar=[
            SimilarRecord(
                id=one.past.id,
                similarity=round(one.similarity, 4),
                decision=one.past.decision,
                reason_code=one.past.code,
                text="; ".join(one.past.case.lines()),
            )
            for one in decided.similar
        ],
        manifest=dict(decided.manifest),
    )
