"""What harvest reads: real answers of a real chatbot over real documents, with a scripted engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.harvest import Judged, proposed
from ingest.corpus import Corpus
from service.answer import Chatbot, Question
from service.events import Meta
from service.harvest import judged_answers
from service.outcomes import Outcome
from service.records import UnknownConversation
from service.switches import Overrides
from tests.adapters.test_harvest import RULES
from tests.service.conftest import PUBLIC_DOCUMENTS, ingest
from tests.service.parts import answered, chatbot, scripted

QUESTION = "When can I visit the general wards?"
ANSWER = "You can visit the general wards from 10 a.m. to 8 p.m. every day [1]."


@pytest.fixture
def bot(empty_corpus: Corpus, tmp_path: Path) -> Iterator[Chatbot]:
    ingest(empty_corpus, PUBLIC_DOCUMENTS)
    bot = chatbot(empty_corpus, tmp_path, scripted(ANSWER))
    yield bot
    bot.records.close()


async def ask(bot: Chatbot, question: str | Question = QUESTION, overrides: Overrides = Overrides()) -> Meta:
    meta = (await answered(bot, question, overrides))[0]
    assert isinstance(meta, Meta)
    return meta


def judged(bot: Chatbot, *reviewed: str) -> list[Judged]:
    return judged_answers(bot.records, bot.corpus.library, reviewed)


async def test_an_answer_comes_with_its_word_its_passages_and_what_made_it(bot: Chatbot) -> None:
    meta = await ask(bot)
    await ask(bot)
    bot.records.give_feedback(meta.message_id, None, Outcome("up"))
    [one] = judged(bot)
    assert (one.message, one.kind, one.question, one.answer) == (meta.message_id, "liked", QUESTION, ANSWER)
    assert (one.passages[0].document, one.passages[0].section) == ("visiting.md", "General wards")
    assert one.passages[0].text and "10 a.m. to 8 p.m." in one.passages[0].text
    assert "555-0100" in one.public
    assert (one.made_by["prompt"], one.made_by["adapter"]) == ("house@1", "style@1")
    assert one.made_by["collection_fingerprint"] == bot.corpus.fingerprint
    assert one.word > 0
    assert one.judged and one.answered


async def test_the_latest_word_says_what_an_answer_is_to_be(bot: Chatbot) -> None:
    meta = await ask(bot)
    words = (
        Outcome("up"),
        Outcome("down"),
        Outcome("down", ("evidence_wrong",), corrected_answer="Never."),
    )
    seen = []
    for word in words:
        bot.records.give_feedback(meta.message_id, None, word)
        seen += [(one.kind, one.corrected, one.evidence_wrong) for one in judged(bot)]
    assert seen == [("liked", None, False), ("disliked", None, False), ("corrected", "Never.", True)]


async def test_a_reviewed_conversation_brings_all_of_its_answers(bot: Chatbot) -> None:
    meta = await ask(bot)
    await ask(bot, Question("And on Sundays?", conversation_id=meta.conversation_id))
    first, second = judged(bot, meta.conversation_id)
    assert (first.kind, first.word, first.follow_up) == ("reviewed", 0, False)
    assert (second.kind, second.follow_up) == ("reviewed", True)
    assert judged(bot) == []
    with pytest.raises(UnknownConversation, match="nothing"):
        judged(bot, "nothing")


@pytest.mark.parametrize(
    ("change", "reason"), [("removed", "restricted"), ("moved", "passage_gone"), ("labelled", "restricted")]
)
async def test_a_passage_that_is_gone_or_not_for_everybody_has_no_text(
    bot: Chatbot, change: str, reason: str
) -> None:
    meta = await ask(bot)
    serving = bot.corpus.serving
    assert serving is not None
    if change == "removed":
        bot.corpus.library.remove_document(serving.id, "visiting.md")
    elif change == "moved":
        ingest(bot.corpus, {"visiting.md": PUBLIC_DOCUMENTS["visiting.md"].replace("General wards", "Wards")})
    else:
        bot.corpus.library.set_labels(serving.id, "visiting.md", {"staff"})
    bot.records.give_feedback(meta.message_id, None, Outcome("up"))
    [one] = judged(bot)
    assert one.passages[0].text is None
    assert proposed(one, RULES) == reason


async def test_an_edit_elsewhere_in_the_document_leaves_the_passage(bot: Chatbot) -> None:
    meta = await ask(bot)
    ingest(bot.corpus, {"visiting.md": PUBLIC_DOCUMENTS["visiting.md"].replace("6 p.m.", "5 p.m.")})
    bot.records.give_feedback(meta.message_id, None, Outcome("up"))
    assert judged(bot)[0].passages[0].text is not None


async def test_an_emergency_and_an_answer_without_retrieval_have_no_passages(bot: Chatbot) -> None:
    for question, switch in (("he is not breathing", "on"), (QUESTION, "off")):
        meta = await ask(bot, question, Overrides(retrieval=switch))
        bot.records.give_feedback(meta.message_id, None, Outcome("up"))
    urgent, bare = judged(bot)
    assert (urgent.path, urgent.passages, bare.path, bare.passages) == ("emergency", (), "model", ())
    assert [proposed(one, RULES) for one in (urgent, bare)] == ["emergency", "no_document"]
