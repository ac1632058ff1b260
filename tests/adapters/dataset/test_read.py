import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dataset.entries import Entry, answers_of, refuses
from adapters.dataset.read import (
    Conversation,
    Message,
    from_conversation,
    read_plain,
    read_questions,
    read_style,
    right_ones,
    write_style,
)
from adapters.examples import ExampleError, StyleExample, read_examples

LINE = {"id": "e1", "document": "a.md", "section": None, "question": "When?", "answer": "From ten [cite]."}


def lines(path: Path, *values: object) -> Path:
    path.write_text("\n".join(value if isinstance(value, str) else json.dumps(value) for value in values) + "\n")
    return path


def test_every_wrong_line_of_a_recipe_is_told_with_its_place(tmp_path: Path) -> None:
    file = lines(tmp_path / "style.jsonl", LINE, "{", LINE | {"answer": None}, LINE, LINE | {"more": 1})
    read = read_style([file])
    assert [entry.place for entry in read.entries] == [f"{file}:1", f"{file}:4"]
    assert [finding.place for finding in read.findings] == [f"{file}:2", f"{file}:3", f"{file}:5"]
    assert {finding.kind for finding in read.findings} == {"shape"}
    assert "answer" in read.findings[1].message
    assert "\n" not in "".join(finding.message for finding in read.findings)


def test_a_place_below_the_working_directory_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (entry,) = read_style([lines(tmp_path / "style.jsonl", LINE)]).entries
    assert entry.place == "style.jsonl:1"


def test_questions_with_answers_are_read_from_jsonl(tmp_path: Path) -> None:
    asked = {"question": "When?", "answer": "From ten [2].", "passages": ["Costs.", "Hours: from ten."]}
    file = lines(tmp_path / "asked.jsonl", asked | {"tags": ["decision:yes"]}, {"question": "Why?"}, "no json")
    read = read_plain(file)
    (entry,) = read.entries
    assert entry.example == StyleExample("asked-1", None, None, "When?", "From ten [cite].")
    assert entry.passages == ("Hours: from ten.",)
    assert entry.tags == ("decision:yes",)
    assert [finding.place for finding in read.findings] == [f"{file}:2", f"{file}:3"]


def test_csv_is_read_with_the_lines_where_its_records_begin(tmp_path: Path) -> None:
    file = tmp_path / "asked.csv"
    file.write_text(
        "\ufeffquestion,answer,passages,tags\n"
        'When?,"From ten,\nevery day.",Hours. || Costs.,decision:yes; short\n'
        "Where?,Here.,,\n"
        "Why?\n"
        "How?,So.,,,too much\n"
    )
    read = read_plain(file)
    assert [entry.place for entry in read.entries] == [f"{file}:2", f"{file}:4"]
    assert read.entries[0].passages == ("Hours.", "Costs.")
    assert read.entries[0].tags == ("decision:yes", "short")
    assert read.entries[1].passages == ()
    assert [finding.place for finding in read.findings] == [f"{file}:5", f"{file}:6"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "frage,answer\n", "no column question"),
        ("x.csv", "", "no column answer, question"),
        ("x.csv", 'question,answer\n"a"b,c\n', "line 2: not CSV"),
        ("x.csv", '"question"x,answer\na,b\n', "line 1: not CSV"),
        ("x.csv", '"question,answer\na,b\n', "line 1: not CSV"),
        ("x.txt", "", r"a \.csv or a \.jsonl file was expected"),
    ],
)
def test_a_file_that_is_none_of_the_forms_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ExampleError, match=message):
        read_plain(tmp_path / name)


def test_the_first_turn_of_a_conversation_is_used_and_the_rest_told(tmp_path: Path) -> None:
    said = [
        ("system", "Be kind."),
        ("user", "When?"),
        ("assistant", "Ten."),
        ("user", "Why?"),
        ("assistant", "So."),
    ]
    messages = [{"role": role, "content": content} for role, content in said]
    read = read_plain(lines(tmp_path / "said.jsonl", {"messages": messages}, {"messages": messages[1:3]}))
    assert [entry.example.question for entry in read.entries] == ["When?", "When?"]
    assert [finding.kind for finding in read.findings] == ["left-out", "left-out"]
    assert "1 later question" in read.findings[1].message


roles = st.lists(st.sampled_from(["system", "user", "assistant"]), max_size=6)


@given(roles)
def test_a_conversation_is_used_exactly_when_both_take_turns(chosen: list[str]) -> None:
    turns = chosen[1:] if chosen[:1] == ["system"] else chosen
    fine = len(turns) >= 2 and all(role == ("user", "assistant")[n % 2] for n, role in enumerate(turns))
    fine = fine and turns[-1] == "assistant"
    messages = tuple(Message.model_validate({"role": role, "content": role}) for role in chosen)
    try:
        entry, _ = from_conversation(Conversation(messages=messages), "a:1", "a-1")
    except ValueError:
        assert not fine
    else:
        assert fine
        assert entry.example.question == "user"


def test_an_answer_that_cites_what_is_not_there_is_told(tmp_path: Path) -> None:
    assert right_ones("So [2] and [1].", ["a", "b", "c"]) == ("a", "b")
    assert right_ones("So.", ["a", "b"]) == ("a", "b")
    assert right_ones("So [3].", []) == ()
    asked = {"question": "When?", "answer": "From ten [3].", "passages": ["a"]}
    (finding,) = read_plain(lines(tmp_path / "x.jsonl", asked)).findings
    assert finding.message == "the answer cites [3], and there are 1 passages"


def test_what_is_written_is_what_a_recipe_reads(tmp_path: Path) -> None:
    examples = [
        StyleExample("e1", "a.md", "Hours", "Où?", "Là [cite]."),
        StyleExample("e2", None, None, "?", "No."),
    ]
    entries, file = [Entry("x:1", one) for one in examples], tmp_path / "out.jsonl"
    write_style(entries, file, force=False)
    assert read_examples([file]) == examples
    with pytest.raises(ExampleError, match="--force"):
        write_style(entries[:1], file, force=False)
    assert read_examples([file]) == examples
    write_style(entries[:1], file, force=True)
    assert read_examples([file]) == examples[:1]


@pytest.mark.parametrize("place", ["", "gone/out.jsonl"])
def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path, place: str) -> None:
    with pytest.raises(ExampleError, match="in a folder that is there"):
        write_style([], tmp_path / place, force=True)


def test_a_file_from_windows_is_read_and_what_is_no_json_is_called_so(tmp_path: Path) -> None:
    file = lines(tmp_path / "x.jsonl", {"question": "When?", "answer": "From ten."}, '{"question": "When')
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    read = read_plain(file)
    assert [entry.example.question for entry in read.entries] == ["When?"]
    assert "not a JSON object" in read.findings[0].message


def test_questions_of_an_evaluation_have_their_places(tmp_path: Path) -> None:
    file = lines(tmp_path / "questions.jsonl", {"question": "When?", "id": "q1"}, {"question": 3})
    with pytest.raises(ExampleError, match="line 2: not a question"):
        read_questions(file)
    assert read_questions(lines(file, {"question": "When?"})) == [(f"{file}:1", "When?")]


@pytest.mark.parametrize(
    "answer",
    ["I can't find this. Call us.", "i CAN'T find this", "I can’t find this.", "I can't find this... Sorry"],
)
def test_a_refusal_begins_as_the_refusal_does(answer: str) -> None:
    refusal = "I can't find this. Please call."
    assert refuses(answer, refusal)
    assert not refuses("You can find this. I can't find this.", refusal)
    assert not refuses(answer, "")
    assert answers_of([Entry("x:1", StyleExample("e", None, None, "?", answer))], refusal) == []


@pytest.mark.parametrize(
    ("refusal", "answer", "refused"),
    [
        ("St. Mary's papers do not say that. Call us.", "St. Mary's garage costs $3 [cite].", False),
        ("St. Mary's papers do not say that. Call us.", "St. Mary's papers do not say that.", True),
        ("Этого нет в наших документах. Звоните 555-0100.", "этого нет в наших документах!", True),
        ("Этого нет в наших документах. Звоните 555-0100.", "Парковка стоит 3 доллара [cite].", False),
    ],
)
def test_an_abbreviation_is_no_sentence_and_words_are_of_any_script(
    refusal: str, answer: str, refused: bool
) -> None:
    assert refuses(answer, refusal) is refused


def test_a_line_that_is_nested_too_deeply_is_no_example(tmp_path: Path) -> None:
    (finding,) = read_plain(lines(tmp_path / "x.jsonl", "[" * 100_000)).findings
    assert finding.place.endswith("x.jsonl:1")
