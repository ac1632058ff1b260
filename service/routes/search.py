"""POST /search: what retrieval finds, without an answer."""

from fastapi import APIRouter

from ingest.documents import PUBLIC
from service.deps import AdmissionDep, ChatbotDep, LimitsDep
from service.schemas import SearchAnswer, SearchRequest
from service.transcript import numbered

router = APIRouter(tags=["search"])


@router.post("/search")
async def search(
    body: SearchRequest, chatbot: ChatbotDep, admission: AdmissionDep, limits: LimitsDep
) -> SearchAnswer:
    limits.check_question(body.query)
    with admission.place():
        found = await chatbot.search(body.query, (), body.collection, body.limit, frozenset({PUBLIC}))
    return SearchAnswer(query=found.query, degraded=found.degraded, passages=numbered(tuple(found.passages), []))
