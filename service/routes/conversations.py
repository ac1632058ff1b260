"""Stored conversations, and what people think of an answer."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.deps import ChatbotDep
from service.schemas import FeedbackRequest, Id, User

router = APIRouter(tags=["conversations"])


@router.get("/conversations/{conversation_id}")
def conversation(
    conversation_id: Id, chatbot: ChatbotDep, user: Annotated[User | None, Query()] = None
) -> dict[str, Any]:
    """The questions and answers of a conversation, with their manifests. Another user's is not found."""
    return asdict(chatbot.records.conversation(conversation_id, user))


@router.post("/feedback", status_code=204)
def feedback(body: FeedbackRequest, chatbot: ChatbotDep) -> None:
    chatbot.records.feedback(body.message_id, body.rating, body.reason)
