"""Decisions on held-out records: prompt, records, head, both, LoRA, and a plain regression; printed tables."""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from appeals import CODES, FILE, appeals, model_rows_of_appeals
from decision_scores import Row, regression, table, truth

from adapters.decisions.fit import Embedded, blended, embedded, fit_head, neighbor_votes
from adapters.decisions.head import Head, likeliest
from adapters.decisions.pack import open_pack
from adapters.decisions.records import PastCase, of_split
from adapters.decisions.similar import Memory
from configs.load import HOSPITAL, load_settings
from configs.settings import Settings
from ingest.build import embedder_of
from ingest.embed import Embedder
from service.build import build
from service.calibrate import decisions
from service.decide import Decided
from service.switches import Overrides

MODEL_WAYS = {
    "a prompt": Overrides(prompt="on", retrieval="off", adapter="off"),
    "b prompt + records": Overrides(prompt="on", retrieval="on", adapter="off"),
    "c LoRA": Overrides(prompt="off", retrieval="off", adapter="decisions"),
    "d LoRA + records": Overrides(prompt="off", retrieval="on", adapter="decisions"),
}


def head_rows(head: Head, memory: Memory, test: Embedded) -> list[Row]:
    alone = head.codes(test.cases, test.notes)
    voted = neighbor_votes(memory, test, head.card.codes, head.card.similar)
    ways = {
        "c head": ("head", alone),
        "d head + records": ("head+retrieval", blended(alone, voted, head.card.vote)),
    }
    rows = []
    for name, (way, shares) in ways.items():
        best = [likeliest(row, head.card.codes, head.card.decisions) for row in shares]
        sure = [head.card.ways[way].probability(share) for _, _, share in best]
        rows.append(Row(name, [decision for decision, _, _ in best], truth(test.past), sure))
    return rows


def majority(past: Sequence[PastCase], test: Sequence[PastCase]) -> Row:
    decided = [one.decision for one in of_split(past, "train")]
    return Row("most frequent", [max(set(decided), key=decided.count)] * len(test), truth(test))


def fitted_rows(past: Sequence[PastCase], head: Head, embedder: Embedder) -> list[Row]:
    train, kept, test = (embedded(of_split(past, split), embedder) for split in ("train", "calibration", "test"))
    memory = Memory(train.past, head.memory)
    return [majority(past, test.past), regression(train, test, kept), *head_rows(head, memory, test)]


async def model_rows(settings: Settings, names: Sequence[str], most: int) -> list[Row]:
    """Through the product, with the calibrations that the pack ships."""
    rows = []
    async with build(settings) as chatbot:
        assert chatbot.decider is not None
        test = of_split(chatbot.decider.pack.past, "test")[:most]
        for name in names:
            found = await decisions(chatbot.decider, test, MODEL_WAYS[name])
            rows.append(Row(name, [one.verdict.decision for one in found], truth(test), probabilities(found)))
    return rows


def probabilities(found: Sequence[Decided]) -> list[float] | None:
    sure = [one.probability for one in found if one.probability is not None]
    return sure if len(sure) == len(found) else None


async def main(arguments: argparse.Namespace) -> None:
    with TemporaryDirectory() as folder:
        settings = load_settings(None, {"TRIPTYCH__DATA__FOLDER": str(arguments.data or folder)}).settings
        bound = settings.decisions.refer_below
        rows = [] if arguments.models_only else pack_rows(settings)
        rows += await model_rows(settings, arguments.ways, arguments.most) if arguments.ways else []
        print(table(rows, bound), flush=True)
        if not arguments.appeals.is_file():
            print(f"skipped: the real appeals are not at {arguments.appeals}")
        elif not arguments.pack_only:
            print("Real appeals (two classes, fitted to their own training split):")
            print(table(await appeal_rows(settings, arguments), bound))


def pack_rows(settings: Settings) -> list[Row]:
    embedder = embedder_of(settings)
    pack = open_pack(HOSPITAL.parent / "decisions", settings.decisions.prompt, embedder.fingerprint)
    return fitted_rows(pack.past, pack.head, embedder)


async def appeal_rows(settings: Settings, arguments: argparse.Namespace) -> list[Row]:
    embedder, past = embedder_of(settings), appeals(arguments.appeals)
    head = fit_head(past, CODES, embedder, settings.decisions.similar)
    rows = fitted_rows(past, head, embedder)
    memory = Memory(of_split(past, "train"), head.memory)
    if arguments.ways:
        rows += await model_rows_of_appeals(settings, past, memory, arguments.most)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", nargs="*", default=list(MODEL_WAYS)[:2], choices=list(MODEL_WAYS))
    parser.add_argument("--most", type=int, default=300, help="test records for each way that asks a model")
    parser.add_argument("--models-only", action="store_true", help="leave head and regression out")
    parser.add_argument("--pack-only", action="store_true", help="leave the real appeals out")
    parser.add_argument("--appeals", type=Path, default=FILE, help="the file of real appeals")
    parser.add_argument("--data", help="a data folder to use; a new one for each run without it")
    asyncio.run(main(parser.parse_args()))
