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


@router.post("/messages/{message_id}/feedback", status_code=204)
def give_feedback(message_id: Id, body: FeedbackRequest, chatbot: ChatbotDep) -> None:
    """Say what became of an answer; the latest word counts, earlier ones are kept. Another user's is not found."""
    chatbot.records.give_feedback(message_id, body.user, body.outcome())


@router.get("/messages/{message_id}/feedback")
def feedback(message_id: Id, chatbot: ChatbotDep, user: Annotated[User | None, Query()] = None) -> dict[str, Any]:
    """All that was said of an answer, the latest last."""
    return {"feedback": [asdict(word) for word in chatbot.records.feedback(message_id, user)]}
