"""Versions change while the service answers: no answer fails, each is of the version that its manifest names."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ingest.embed import Embedder
from service.answer import Chatbot, Question
from service.build import build
from service.events import Done
from service.plan import Manifest
from service.switches import Overrides
from tests.service.conftest import PUBLIC_DOCUMENTS, data_folder, ingest, opened
from tests.service.test_build import ADAPTER_OFF, settings_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTIONS = (
    "When can I visit the general wards?",
    "What does parking in the North Garage cost?",
    "How do I ask for a copy of my medical records?",
    "Are flowers allowed in intensive care?",
    "my mum is in the ICU, when can we come by?",
    "Who may park on level 1?",
    "Can I bring my baby to the ward on a Sunday?",
    "how much is the first copy of my file",
)
NAME = "house-style"
VERSIONS = (f"{NAME}@1", f"{NAME}@2")
ASKING = 6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(
    tmp_path_factory: pytest.TempPathFactory, derived: Path, embedder: Embedder
) -> AsyncIterator[Chatbot]:
    # One adapter at a time: every switch loads one and unloads another while answers are made.
    engine = {"slots": ASKING, "context_tokens": 1024, "adapters": 1}
    folder = tmp_path_factory.mktemp("switching")
    data_folder(folder, derived)
    settings = settings_in(folder, **ADAPTER_OFF, engine=engine, sampling={"max_tokens": 24})
    for corpus in opened(settings.data.folder, embedder):
        ingest(corpus, PUBLIC_DOCUMENTS)
    async with build(settings) as chatbot:
        yield chatbot


async def made(bot: Chatbot, question: str, label: str) -> tuple[str, Manifest]:
    plan = bot.plan(Overrides(adapter=label), None)
    events = [event async for event in bot.answer(Question(question, keep=False), plan)]
    done = events[-1]
    assert isinstance(done, Done)
    return done.text, done.manifest


@dataclass(frozen=True)
class Answer:
    """`meant` are the versions that the bare name meant while the answer was planned."""

    question: str
    meant: set[str]
    text: str
    manifest: Manifest


async def keep_asking(bot: Chatbot, question: str, answers: asyncio.Queue[Answer], over: asyncio.Event) -> None:
    while not over.is_set():
        before = bot.adapters.shelf.promoted()[NAME]
        asked = asyncio.create_task(made(bot, question, NAME))
        await asyncio.sleep(0)
        meant = {before, bot.adapters.shelf.promoted()[NAME]}
        answers.put_nowait(Answer(question, meant, *await asked))


async def switched(bot: Chatbot, times: int, answers: asyncio.Queue[Answer]) -> list[Answer]:
    """To the second version and back, each time after a few more answers, one of them at least by the new version:
    those that were under way before come first, and on a busy machine they may be all of the few.
    """
    taken: list[Answer] = []
    for turn in range(times):
        await (bot.admin.rollback(NAME) if turn % 2 else bot.admin.promote(VERSIONS[1]))
        new = [await answers.get() for _ in range(ASKING)]
        while all(one.manifest.acted.adapter != VERSIONS[(turn + 1) % 2] for one in new):
            new.append(await answers.get())
        taken += new
    return taken


@pytest.mark.parametrize("switches", [4, pytest.param(50, marks=pytest.mark.slow)])
async def test_no_answer_fails_or_is_of_another_version_than_it_says(bot: Chatbot, switches: int) -> None:
    alone = {(q, label): (await made(bot, q, label))[0] for q in QUESTIONS for label in VERSIONS}
    weights = {one["label"]: one["weights_sha256"] for one in bot.admin.adapters()}
    telling = [q for q in QUESTIONS if alone[q, VERSIONS[0]] != alone[q, VERSIONS[1]]]
    assert len(telling) > 1
    await bot.admin.promote(VERSIONS[0])
    made_now: asyncio.Queue[Answer] = asyncio.Queue()
    over = asyncio.Event()
    asked = [telling[number % len(telling)] for number in range(ASKING)]
    asking = [asyncio.create_task(keep_asking(bot, question, made_now, over)) for question in asked]
    answers = await switched(bot, switches, made_now)
    over.set()
    await asyncio.gather(*asking)
    labels = [str(answer.manifest.acted.adapter) for answer in answers]
    same = 0
    for label, answer in zip(labels, answers, strict=True):
        (other,) = set(VERSIONS) - {label}
        assert label in answer.meant
        assert answer.manifest.adapter_sha256 == weights[label]
        assert answer.text != alone[answer.question, other]
        same += answer.text == alone[answer.question, label]
    assert min(labels.count(label) for label in VERSIONS) >= switches // 2
    # Several answers at a time differ in low bits, which now and then are another word.
    assert same >= 0.8 * len(answers)
    print(f"{switches} switches, {len(answers)} answers, {same} as alone")
