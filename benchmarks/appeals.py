"""Real appeals with two outcomes, as past cases, and language models asked about them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from decision_scores import Row, truth
from shared_data import SHARED

from adapters.decisions import ask
from adapters.decisions.calibration import calibrated
from adapters.decisions.fit import embedded
from adapters.decisions.pack import PROMPTS
from adapters.decisions.policy import DecisionName
from adapters.decisions.records import Case, PastCase, of_split
from adapters.decisions.similar import Memory
from adapters.engines.protocol import Engine
from adapters.prompt import load_prompt
from configs.settings import Settings
from ingest.embed import Embedder
from service.build import build
from service.calibrate import AT_A_TIME

FILE = SHARED / "decisions" / "ca_imr_train_4000.jsonl"
CODES: Mapping[str, DecisionName] = {"A1": "approved", "R1": "rejected"}
RULES = (
    "A1 approved: The plan's refusal is overturned, the treatment is needed.",
    "R1 rejected: The plan's refusal is upheld.",
)
# Of their fields the treatment is what the pack's records call the service.
FIELDS = {"treatment": "service"} | {
    name: name for name in ("treatment_sub", "diagnosis", "diagnosis_sub", "type", "age", "gender")
}


def appeals(file: Path) -> list[PastCase]:
    """Fields alone: an appeal's text is one sentence made from them."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
    return [
        PastCase(
            row["id"],
            Case(
                {ours: row[theirs] or "not stated" for theirs, ours in FIELDS.items()},
                {"year": row["year"]},
                f"{row['treatment_sub']} for {row['diagnosis_sub']}",
            ),
            row["decision"],
            {"approved": "A1", "rejected": "R1"}[row["decision"]],
        )
        for row in rows
    ]


async def model_rows_of_appeals(
    settings: Settings, past: Sequence[PastCase], memory: Memory, most: int
) -> list[Row]:
    """Prompt, and prompt with similar records; calibrated on as many records of the calibration split."""
    rows = []
    async with build(settings) as chatbot:
        for name, count in (("a prompt", 0), ("b prompt + records", settings.decisions.similar)):
            asked = Appeals(chatbot.engine, chatbot.corpus.embedder, memory, settings, count)
            held, test = of_split(past, "calibration")[:most], of_split(past, "test")[:most]
            before, found = await asked.of(held), await asked.of(test)
            right = [one.decision == known.decision for one, known in zip(before, held, strict=True)]
            calibration = calibrated([one.confidence for one in before], right)
            sure = [calibration.probability(one.confidence) for one in found]
            rows.append(Row(name, [one.decision for one in found], truth(test), sure))
    return rows


@dataclass(frozen=True)
class Appeals:
    """Asks a language model about appeals, with so many similar ones shown."""

    engine: Engine
    embedder: Embedder
    memory: Memory
    settings: Settings
    similar: int

    async def of(self, past: Sequence[PastCase]) -> list[ask.Answered]:
        places = asyncio.Semaphore(AT_A_TIME)
        vectors = embedded(past, self.embedder).told
        folder = self.settings.decisions.folder
        assert folder is not None
        template = load_prompt(folder / PROMPTS, self.settings.decisions.prompt, ask.messages_of_both_kinds)

        async def one(known: PastCase, vector: np.ndarray) -> ask.Answered:
            shown = self.memory.nearest(known.case, vector, self.similar) if self.similar else []
            async with places:
                messages = ask.messages(template, RULES, known.case, shown)
                return await ask.answered(self.engine, messages, CODES, None)

        return await asyncio.gather(*(one(*pair) for pair in zip(past, vectors, strict=True)))
