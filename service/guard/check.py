"""The emergency check that stands before every layer: the rules first, then the likeness to examples."""

import asyncio
from dataclasses import dataclass

from service.guard.emergencies import EmergencyRules, Handoff, detect
from service.guard.likeness import Likeness


@dataclass(frozen=True, slots=True)
class EmergencyCheck:
    """Both steps. No switch, no experiment and no setting leaves one out."""

    rules: EmergencyRules
    likeness: Likeness

    async def handoff(self, question: str) -> Handoff | None:
        """What answers the question instead of the layers; None if it is no emergency."""
        return detect(question, self.rules) or await asyncio.to_thread(self.likeness.nearest, question)
