"""The emergency check that stands before every layer: the rules first, then the likeness to examples."""

from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool

from service.guard.emergencies import EmergencyRules, Handoff, detect
from service.guard.likeness import Likeness


@dataclass(frozen=True, slots=True)
class EmergencyCheck:
    """Both steps. No switch, no experiment and no setting leaves one out."""

    rules: EmergencyRules
    likeness: Likeness

    async def handoff(self, question: str) -> Handoff | None:
        """What answers the question instead of the layers; None if it is no emergency.

        In a thread that no search takes: those have asyncio's.
        """
        return await run_in_threadpool(self.found, question)

    def found(self, question: str) -> Handoff | None:
        return detect(question, self.rules) or self.likeness.handoff(question)
