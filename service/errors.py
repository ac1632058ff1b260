"""The errors of the HTTP side, and what kind of problem every error is to a client."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError
from starlette.requests import ClientDisconnect

from adapters.decisions.policy import PolicyError
from adapters.engines.protocol import AdapterRefused, EngineBusy, EngineError, PromptTooLong
from adapters.registry import UnknownAdapter
from service.experiments.assign import UnitRefused
from service.records import UnknownConversation, UnknownMessage
from service.retrieve import RetrievalError
from service.switches import SwitchRefused


class ServiceError(Exception):
    """What the HTTP side itself refuses; the message is the problem's detail."""


class Unauthorized(ServiceError):
    """The admin key is missing or wrong."""


class NotFound(ServiceError):
    """There is no such thing."""


class UnknownModel(NotFound):
    """No model of this name is served."""


class InvalidRequest(ServiceError):
    """The request is well-formed, but asks for what cannot be done."""


class Overloaded(ServiceError):
    """All places for answers are taken."""


class NotReady(ServiceError):
    """A component does not work; `components` says which one, and why."""

    def __init__(self, components: Mapping[str, str]) -> None:
        self.components = components
        broken = "; ".join(f"{name}: {state}" for name, state in components.items() if state != "ok")
        super().__init__(f"Not every component is ok ({broken}). Ask again later, or look at the log.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, the last part of its type URI, its title, headers to send with it."""

    status: int
    name: str
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)


LATER = {"Retry-After": "2"}
INTERNAL = Kind(500, "internal-error", "The service failed")
INVALID = Kind(422, "invalid-request", "The request has errors")
MALFORMED = Kind(400, "malformed-body", "The body cannot be read")
MEDIA_TYPE = Kind(415, "unsupported-media-type", "The body is of another type than expected")
LIBRARY_AWAY = Kind(503, "library-unavailable", "The library does not answer", LATER)
OVERLOADED = Kind(503, "overloaded", "Too many answers at once", LATER)
KINDS: Mapping[type[BaseException], Kind] = {
    Unauthorized: Kind(401, "unauthorized", "The admin key is needed", {"WWW-Authenticate": "Bearer"}),
    NotFound: Kind(404, "not-found", "There is nothing under this name"),
    UnknownModel: Kind(404, "model-not-found", "There is no such model"),
    UnknownAdapter: Kind(404, "unknown-adapter", "There is no such adapter"),
    UnknownConversation: Kind(404, "unknown-conversation", "There is no such conversation"),
    UnknownMessage: Kind(404, "unknown-message", "There is no such answer"),
    InvalidRequest: INVALID,
    PolicyError: INVALID,
    UnitRefused: INVALID,
    SwitchRefused: Kind(422, "unknown-layer", "A layer cannot be switched like this"),
    AdapterRefused: Kind(422, "adapter-refused", "The adapter cannot act"),
    PromptTooLong: Kind(422, "prompt-too-long", "The prompt is too long for the model"),
    ClientDisconnect: Kind(499, "client-closed-request", "The client went away"),
    EngineError: Kind(502, "engine-failed", "The model failed"),
    EngineBusy: OVERLOADED,
    Overloaded: OVERLOADED,
    RetrievalError: Kind(503, "retrieval-unavailable", "The documents cannot be searched"),
    OperationalError: LIBRARY_AWAY,
    NotReady: Kind(503, "not-ready", "The service is not ready", LATER),
    asyncio.CancelledError: Kind(503, "shutting-down", "The service is stopping", LATER),
}
HTTP_KINDS: Mapping[int, Kind] = {
    400: MALFORMED,
    404: Kind(404, "not-found", "There is nothing under this path"),
    405: Kind(405, "method-not-allowed", "The method is not allowed here"),
    413: Kind(413, "body-too-large", "The body is too large"),
    415: MEDIA_TYPE,
}
# Starlette's own words, and what they leave out.
HTTP_DETAILS: Mapping[str, str] = {
    "There was an error parsing the body": (
        "Expected JSON in UTF-8, not compressed, at most some hundred levels deep and without numbers of thousands "
        "of digits; the body is not. Check how it was made."
    ),
    "Not Found": "No route has this path. GET /openapi.json lists all routes.",
    "Method Not Allowed": "The Allow header of this response lists the methods of this path.",
}


def kind_of(error: BaseException) -> Kind:
    """The kind of the error's nearest listed class."""
    return next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), INTERNAL)
