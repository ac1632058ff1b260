"""What routes ask for by type: the chatbot, the limits, the caller's right to administer."""

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from service.admission import Admission
from service.answer import Chatbot
from service.errors import InvalidRequest, Unauthorized


@dataclass(frozen=True, slots=True)
class Limits:
    """The values that routes go by; the admin key is compared, never told."""

    admin_key: str
    heartbeat_seconds: float
    max_question_characters: int

    async def within(self, text: str, chatbot: Chatbot) -> str:
        """The question; of one that is too long its first or last part, if that is an emergency.

        Raises InvalidRequest.
        """
        most = self.max_question_characters
        if len(text) > most:
            for part in (text[:most], text[-most:]):
                if await chatbot.urgent(part):
                    return part
        self.check_question(text)
        return text

    def check_question(self, text: str) -> None:
        if len(text) > self.max_question_characters:
            raise InvalidRequest(
                f"A question may have {self.max_question_characters} characters, got {len(text)}. Shorten it."
            )


def chatbot(request: Request) -> Chatbot:
    found: Chatbot = request.app.state.chatbot
    return found


def admission(request: Request) -> Admission:
    found: Admission = request.app.state.admission
    return found


def limits(request: Request) -> Limits:
    found: Limits = request.app.state.limits
    return found


ChatbotDep = Annotated[Chatbot, Depends(chatbot)]
AdmissionDep = Annotated[Admission, Depends(admission)]
LimitsDep = Annotated[Limits, Depends(limits)]


def require_admin(request: Request, limits: LimitsDep) -> None:
    """Refuse whoever does not send the admin key; the comparison takes the same time for every wrong key."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    right = secrets.compare_digest(key.strip().encode(), limits.admin_key.encode())
    # An empty key is nobody's, whatever is configured.
    if scheme.lower() != "bearer" or not key.strip() or not right:
        raise Unauthorized(
            "This route needs the header 'Authorization: Bearer ADMIN-KEY'. The key is server.admin_key in the "
            "settings, or else in the data folder's file admin.key."
        )


# The first only describes it: a refusal of FastAPI's own would be no problem document.
ADMIN = (Depends(HTTPBearer(scheme_name="admin-key", auto_error=False)), Depends(require_admin))
