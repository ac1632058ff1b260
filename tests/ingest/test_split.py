import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.documents import Chunk, Document, Section
from ingest.embed import Embedder
from ingest.split import Splitter

TEXT = st.text(max_size=2000) | st.text(alphabet="ab. \n", max_size=3000)


def document(*sections: Section, title: str = "Title") -> Document:
    return Document("a.md", title, sections, "hash")


def cut(splitter: Splitter, text: str, *headings: str) -> list[Chunk]:
    return splitter.split(document(Section(headings, text)), "d")


def words(text: str) -> list[str]:
    return text.split()


@settings(max_examples=150, deadline=None)
@given(
    title=st.text(min_size=1, max_size=600),
    headings=st.lists(st.text(min_size=1, max_size=300), max_size=5),
    text=TEXT,
    limit=st.sampled_from([16, 40, 200, 254]),
)
def test_a_chunk_is_never_longer_than_the_embedder_reads(
    embedder: Embedder, title: str, headings: list[str], text: str, limit: int
) -> None:
    splitter = Splitter(embedder.count_tokens, limit, limit // 8, sentences=True)
    for chunk in splitter.split(document(Section(tuple(headings), text), title=title), "d"):
        assert all(embedder.count_tokens(text) <= limit for text in chunk.embedded_texts)


@settings(max_examples=100, deadline=None)
@given(text=TEXT)
def test_no_word_is_lost(embedder: Embedder, text: str) -> None:
    chunks = cut(Splitter(embedder.count_tokens, 64), text)
    assert "".join(words("".join(chunk.text for chunk in chunks))) == "".join(words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "We open at 8 a.m. on weekdays. Bring a photo ID!",
            ["We open at 8 a.m. on weekdays.", "Bring a photo ID!"],
        ),
        ("Bring:\n- your insurance card\n- a photo ID", []),
        ("Bring these:\n- insurance cards\n- a photo of you", ["- insurance cards", "- a photo of you"]),
        ("There is only one sentence here.", []),
        ("", []),
    ],
)
def test_a_chunk_names_its_sentences(embedder: Embedder, text: str, expected: list[str]) -> None:
    (with_them,) = cut(Splitter(embedder.count_tokens, 64, sentences=True), text, "Opening")
    (without,) = cut(Splitter(embedder.count_tokens, 64), text, "Opening")
    assert list(with_them.sentences) == expected
    assert with_them.embedded_texts == (
        f"Title > Opening\n{text}",
        *(f"Title > Opening\n{one}" for one in with_them.sentences),
    )
    assert (without.sentences, without.embedded_texts) == ((), (without.embedded_text,))


def test_each_section_is_a_chunk_with_its_headings(embedder: Embedder) -> None:
    sections = (Section((), "Intro."), Section(("A", "B"), "Text."))
    chunks = Splitter(embedder.count_tokens, 200).split(document(*sections), "d")
    assert [(chunk.position, chunk.headings, chunk.text) for chunk in chunks] == [
        (0, (), "Intro."),
        (1, ("A", "B"), "Text."),
    ]
    assert len({chunk.id for chunk in chunks}) == 2


def test_long_sections_are_cut_between_sentences_into_like_parts(embedder: Embedder) -> None:
    text = " ".join(f"This is sentence number {number} of a long section." for number in range(40))
    chunks = cut(Splitter(embedder.count_tokens, 100), text)
    lengths = [embedder.count_tokens(chunk.text) for chunk in chunks]
    assert len(chunks) > 3
    assert all(chunk.text.startswith("This is") and chunk.text.endswith(".") for chunk in chunks)
    assert min(lengths) > max(lengths) / 3


def test_overlap_repeats_whole_sentences(embedder: Embedder) -> None:
    text = " ".join(f"Sentence {number} stands here." for number in range(60))
    first, second, *_ = cut(Splitter(embedder.count_tokens, 60, overlap_tokens=12), text)
    repeated = second.text[: second.text.index(".") + 1]
    assert (repeated.startswith("Sentence ") and first.text.endswith(repeated)) or repeated in first.text
    first, second, *_ = cut(Splitter(embedder.count_tokens, 60), text)
    assert second.text[: second.text.index(".") + 1] not in first.text


def test_an_unknown_word_of_any_length_is_cut(embedder: Embedder) -> None:
    chunks = cut(Splitter(embedder.count_tokens, 100), "A" * 20_000)
    assert max(len(chunk.text) for chunk in chunks) <= 100 * 12


def test_inner_headings_stay_where_the_path_is_too_long(embedder: Embedder) -> None:
    (chunk,) = cut(Splitter(embedder.count_tokens, 40), "text", "outer " * 30, "inner")
    assert chunk.headings == ("inner",)


def test_the_fingerprint_tells_settings_apart(embedder: Embedder) -> None:
    settings_tried = [(200, 0), (200, 20), (254, 0)]
    prints = {Splitter(embedder.count_tokens, length, overlap).fingerprint for length, overlap in settings_tried}
    prints.add(Splitter(embedder.count_tokens, 200, sentences=True).fingerprint)
    assert len(prints) == 4
    assert Splitter(embedder.count_tokens, 200).fingerprint in prints


@pytest.mark.parametrize(("length", "overlap"), [(8, 0), (100, 60), (100, -1)])
def test_impossible_settings_are_refused(length: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        Splitter(len, length, overlap)
