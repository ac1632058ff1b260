import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.examples import (
    ExampleError,
    Pool,
    StyleExample,
    cited,
    gold_passage,
    make_rows,
    phrased,
    read_examples,
    split_examples,
    variants,
    with_gold,
)
from adapters.prompt import load_prompt
from adapters.recipe import Mix
from configs.load import HOSPITAL
from ingest.documents import Passage

HOUSE = load_prompt(HOSPITAL.parent / "prompts", "house@1")
NO_ANSWER = "I can't find this in our documents."
PLAIN = Mix(
    passages=3, variants=1, shuffled=0, without_gold=0, without_retrieval=0, without_prompt=0, with_history=0
)
DOCUMENTS = ("visiting.md", "parking.md", "billing.md", "records.md")
SECTIONS = ("Hours", "Costs")

shares = st.floats(0, 1)
mixes = st.builds(
    Mix,
    passages=st.integers(1, 5),
    variants=st.integers(1, 3),
    shuffled=shares,
    without_gold=shares,
    without_retrieval=shares,
    without_prompt=shares,
    with_history=shares,
)
examples = st.builds(
    StyleExample,
    id=st.text("ab", min_size=1, max_size=2),
    document=st.sampled_from(DOCUMENTS) | st.none(),
    section=st.sampled_from(SECTIONS),
    question=st.sampled_from(["When?", "How much?"]),
    answer=st.sampled_from(["From ten [cite]. Call us.", "Two dollars [cite]."]),
)


def passages() -> tuple[Passage, ...]:
    places = [(document, section) for document in DOCUMENTS for section in SECTIONS]
    return tuple(
        Passage(f"c{n}", document, document, document, (section,), n, f"Passage {n} about {section}.")
        for n, (document, section) in enumerate(places)
    )


def pool(seed: int = 0) -> Pool:
    vectors = np.random.default_rng(seed).normal(size=(len(passages()), 4)).astype(np.float32)
    return Pool(passages(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def example(id: str = "e1", document: str | None = "visiting.md", section: str = "Hours") -> StyleExample:
    return StyleExample(id, document, section, "When?", "From ten [cite]. Call us.")


def vectors(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)


@given(st.lists(examples, max_size=8), mixes, st.integers(0, 1000))
@settings(max_examples=60)
def test_an_answer_cites_the_number_under_which_its_passage_is_shown(
    chosen: list[StyleExample], mix: Mix, seed: int
) -> None:
    unique = [replace(one, id=str(number)) for number, one in enumerate(chosen)]
    by_id = {one.id: one for one in unique}
    for row in make_rows(unique, vectors(len(unique), seed), pool(seed), HOUSE, mix, NO_ANSWER, seed):
        origin, user = by_id[row.example], str(row.messages[-1].content)
        gold = gold_passage(origin, passages())
        if row.completion == NO_ANSWER:
            continue
        assert gold is not None
        (number,) = re.findall(r"\[(\d+)\]", row.completion)
        assert f"[{number}] {gold.place}\n{gold.text}" in user


@given(st.lists(examples, max_size=8), mixes, st.integers(0, 1000))
@settings(max_examples=60)
def test_every_example_comes_so_many_times_with_its_passage_shown_or_is_refused(
    chosen: list[StyleExample], mix: Mix, seed: int
) -> None:
    unique = [replace(one, id=str(number)) for number, one in enumerate(chosen)]
    rows = make_rows(unique, vectors(len(unique), seed), pool(seed), HOUSE, mix, NO_ANSWER, seed)
    answered = [row.example for row in rows if row.completion != NO_ANSWER]
    assert answered == [one.id for one in unique if one.document for _ in range(mix.variants)]
    assert {row.example for row in rows} == {one.id for one in unique}


@given(st.lists(examples, max_size=8), mixes, st.integers(0, 1000))
@settings(max_examples=30)
def test_rows_without_the_right_passage_are_refused(chosen: list[StyleExample], mix: Mix, seed: int) -> None:
    unique = [replace(one, id=str(number)) for number, one in enumerate(chosen)]
    by_id = {one.id: one for one in unique}
    for row in make_rows(unique, vectors(len(unique), seed), pool(seed), HOUSE, mix, NO_ANSWER, seed):
        gold = gold_passage(by_id[row.example], passages())
        if gold is None or gold.text not in str(row.messages[-1].content):
            assert row.completion == NO_ANSWER


def test_the_same_seed_makes_the_same_rows() -> None:
    chosen = [example(str(number), DOCUMENTS[number % 4]) for number in range(12)]
    mix = Mix(
        passages=3,
        variants=2,
        shuffled=0.5,
        without_gold=0.5,
        without_retrieval=0.5,
        without_prompt=0.5,
        with_history=0.5,
    )

    def rows(seed: int) -> object:
        return make_rows(chosen, vectors(12), pool(), HOUSE, mix, NO_ANSWER, seed)

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


@pytest.mark.parametrize(
    ("share", "rows"),
    [("without_gold", 2), ("without_retrieval", 2), ("without_prompt", 1), ("with_history", 1), ("shuffled", 1)],
)
def test_a_share_of_one_means_every_example(share: str, rows: int) -> None:
    made = make_rows([example()], vectors(1), pool(), HOUSE, PLAIN.model_copy(update={share: 1}), NO_ANSWER, 0)
    assert len(made) == rows
    assert [row.completion for row in made[1:]] == [NO_ANSWER] * (rows - 1)


def test_a_passage_that_the_search_did_not_find_comes_first_and_one_that_it_found_stays() -> None:
    chance = random.Random(0)
    found, *others = passages()
    assert with_gold([*others, found], found, PLAIN, chance) == [found, *others[:2]]
    assert with_gold([others[0], found, *others[1:]], found, PLAIN, chance) == [others[0], found, others[1]]


def test_a_variant_leaves_out_near_passages_but_never_the_right_one() -> None:
    mix = PLAIN.model_copy(update={"variants": 20})
    gold = passages()[6]
    first, *others = variants(list(passages()), gold, mix, random.Random(0))
    assert first == list(passages())
    assert all(gold in one for one in others)
    assert all(one == sorted(one, key=passages().index) for one in others)
    assert len({tuple(one) for one in others}) > 10


def test_a_refusal_comes_once() -> None:
    mix = PLAIN.model_copy(update={"variants": 5})
    (row,) = make_rows([example(document=None)], vectors(1), pool(), HOUSE, mix, NO_ANSWER, 0)
    assert row.completion == NO_ANSWER


def test_a_share_of_the_refusals_comes_at_all() -> None:
    chosen = [replace(example(document=None), id=str(number)) for number in range(200)]

    def rows(share: float) -> int:
        mix = PLAIN.model_copy(update={"refusals": share})
        return len(make_rows(chosen, vectors(200), pool(), HOUSE, mix, NO_ANSWER, 0))

    assert (rows(0), rows(1)) == (0, 200)
    assert 70 < rows(0.5) < 130


@pytest.mark.parametrize(
    ("answer", "bare"),
    [
        ("No, up to three may be there [cite]. Call us.", "Up to three may be there [cite]. Call us."),
        ("Yes, it is free [cite].", "It is free [cite]."),
        ("Yesterday, it was free [cite].", "Yesterday, it was free [cite]."),
    ],
)
def test_a_recipe_can_do_without_yes_and_no(answer: str, bare: str) -> None:
    one = replace(example(), answer=answer)
    assert phrased(one, PLAIN) == one
    assert phrased(one, PLAIN.model_copy(update={"yes_no": False})).answer == bare


def test_an_earlier_turn_is_about_the_same_document() -> None:
    chosen = [example(), replace(example("e2", section="Costs"), question="How much?"), example("e3", "parking.md")]
    row = make_rows(chosen, vectors(3), pool(), HOUSE, PLAIN.model_copy(update={"with_history": 1}), NO_ANSWER, 0)[
        0
    ]
    assert [str(message.content) for message in row.messages[1:3]] == ["How much?", "From ten. Call us."]


def test_an_example_about_an_unknown_document_never_teaches_a_refusal() -> None:
    with pytest.raises(ExampleError, match=r"e1 is about gone\.md"):
        make_rows([example(document="gone.md")], vectors(1), pool(), HOUSE, PLAIN, NO_ANSWER, 0)


def test_the_gold_passage_is_of_the_section_before_it_is_of_the_words() -> None:
    one, other = passages()[:2]
    wordy = replace(other, text="From ten. Call us.")
    assert gold_passage(example(), [wordy, one]) == one
    assert gold_passage(replace(example(), section=None), [one, wordy]) == wordy


@given(st.text("ab .", max_size=20), st.integers(1, 20))
def test_the_number_stands_once_at_the_first_mark_and_no_mark_is_left(text: str, number: int) -> None:
    assert cited(f"{text}a [cite]. Then b [cite].", number) == f"{text}a [{number}]. Then b."


def test_a_number_stands_between_an_abbreviation_and_the_end_of_its_sentence() -> None:
    assert cited("Until 7 p.m. [cite]. Wait... then call.", 1) == "Until 7 p.m. [1]. Wait... then call."


@given(
    st.lists(examples, max_size=40),
    st.frozensets(st.sampled_from(DOCUMENTS[:2])),
    st.frozensets(st.sampled_from(DOCUMENTS[2:])),
)
def test_splits_never_share_a_document(
    chosen: list[StyleExample], validation: frozenset[str], held_back: frozenset[str]
) -> None:
    allowed = [one for one in chosen if one.document not in held_back]
    training, validating = split_examples(allowed, validation, held_back)
    assert not {one.document for one in training if one.document} & (validation | held_back)
    assert {one.document for one in validating if one.document} <= validation
    assert not set(training) & set(validating)
    assert sorted(map(repr, training + validating)) == sorted(map(repr, allowed))


def test_a_shared_id_does_not_carry_an_example_into_the_other_split() -> None:
    training, validating = split_examples(
        [example("same", "visiting.md"), example("same", "parking.md")], frozenset({"parking.md"}), frozenset()
    )
    assert [one.document for one in training] == ["visiting.md"]
    assert [one.document for one in validating] == ["parking.md"]


def test_every_tenth_refusal_is_for_validation() -> None:
    refusals = [example(str(number), None) for number in range(25)]
    training, validating = split_examples(refusals, frozenset(), frozenset())
    assert [one.id for one in validating] == ["0", "10", "20"]
    assert len(training) == 22


def test_an_example_about_a_held_back_document_is_an_error() -> None:
    with pytest.raises(ExampleError, match=r"visiting\.md"):
        split_examples([example()], frozenset(), frozenset({"visiting.md"}))


def test_a_pool_ranks_by_nearness_and_keeps_only_what_it_is_told() -> None:
    three = Pool(passages()[:3], np.eye(3, dtype=np.float32))
    assert three.ranked(np.array([0.1, 0.9, 0.5], dtype=np.float32)) == [three.passages[n] for n in (1, 2, 0)]
    only = three.only(frozenset({"parking.md"}))
    assert {one.source for one in only.passages} == {"parking.md"}
    assert only.vectors.tolist() == [[0, 0, 1]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], list[Path]]:
    def written(content: str | bytes) -> list[Path]:
        (tmp_path / "style.jsonl").write_bytes(content.encode() if isinstance(content, str) else content)
        return [tmp_path / "style.jsonl"]

    return written


LINE = json.dumps({"id": "e1", "document": None, "section": None, "question": "When?", "answer": "From ten."})


def test_examples_are_read_line_by_line(write: Callable[[str | bytes], list[Path]]) -> None:
    assert [one.question for one in read_examples(write(LINE + "\n" + LINE + "\n"))] == ["When?", "When?"]


def test_a_line_separator_inside_a_question_does_not_end_the_line(
    write: Callable[[str | bytes], list[Path]],
) -> None:
    (one,) = read_examples(write(LINE.replace("When?", "When\u2028today?")))
    assert one.question == "When\u2028today?"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        LINE.replace('"When?"', "null"),
        LINE.replace('"When?"', "5"),
        LINE.replace('"id"', '"key"'),
        LINE.replace("{", '{"more": 1, '),
    ],
)
def test_a_line_that_is_no_example_is_named(write: Callable[[str | bytes], list[Path]], line: str) -> None:
    with pytest.raises(ExampleError, match=r"style\.jsonl, line 2"):
        read_examples(write(f"{LINE}\n{line}\n{LINE}\n"))


def test_a_file_that_cannot_be_read_is_named(write: Callable[[str | bytes], list[Path]], tmp_path: Path) -> None:
    with pytest.raises(ExampleError, match=r"style\.jsonl cannot be read"):
        read_examples(write(b"\xff\xfe"))
    with pytest.raises(ExampleError, match=r"missing\.jsonl cannot be read"):
        read_examples([tmp_path / "missing.jsonl"])
