"""GET /configuration: defaults, limits and what can stand in each layer; and the page that draws it."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse

from service.deps import ChatbotDep

router = APIRouter(tags=["configuration"])
INDEX = Path(__file__).parents[1] / "pages" / "index.html"


@router.get("/configuration")
def configuration(chatbot: ChatbotDep) -> dict[str, Any]:
    return chatbot.configuration()


@router.head("/", include_in_schema=False)
@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    return FileResponse(INDEX)
