"""Is it alive, is it ready, what does it count."""

from fastapi import APIRouter, Request
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service.deps import ChatbotDep
from service.errors import NotReady
from service.metrics import Metrics

router = APIRouter(tags=["health"])


# Some monitors ask with HEAD, which FastAPI, unlike Starlette, does not answer of itself.
@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health() -> dict[str, str]:
    """The process lives; nothing else is looked at."""
    return {"status": "ok"}


@router.head("/ready", include_in_schema=False)
@router.get("/ready")
async def ready(chatbot: ChatbotDep) -> dict[str, object]:
    """Every component works; otherwise 503 with the reason of each that does not."""
    components = await chatbot.ready()
    if any(state != "ok" for state in components.values()):
        raise NotReady(components)
    return {"status": "ok", "components": components}


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, chatbot: ChatbotDep) -> Response:
    counted: Metrics = request.app.state.metrics
    counted.index_degraded.set(chatbot.corpus.index.degraded)
    return Response(counted.text(), media_type=CONTENT_TYPE_LATEST)
