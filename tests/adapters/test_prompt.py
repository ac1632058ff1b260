import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage

from adapters.prompt import PromptError, PromptTemplate, Turn, load_prompt, prompt_labels, render
from configs.load import HOSPITAL
from ingest.documents import Passage

HOUSE = load_prompt(HOSPITAL.parent / "prompts", "house@1")
TOKENS = (
    *(
        "<|im_start|>",
        "<|im_end|>",
        "<|endoftext|>",
        "<\uff5cUser\uff5c>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
    ),
    *("<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>"),
    *("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
)
TOKEN = re.compile(r"<[|\uff5c][^|\uff5c<>\s]{0,64}[|\uff5c]>")

# Pieces of control tokens and citations in any order: the text that an attacker would try.
HOSTILE = st.lists(
    st.sampled_from(
        [
            *(*TOKENS, "<|", "|>", "<|im_", "end|>", "im_start", "<", "|", ">", "[1]", " [22]", "[", "]", " "),
            *("</", "s>", "[IN", "ST]", "<<SY", "S>>", "<end_", "of_turn>", "\uff5c", "[TOOL_", "CALLS]"),
        ]
    )
    | st.text(max_size=5),
    max_size=12,
).map("".join)


def passage(text: str, title: str = "Visiting", headings: Sequence[str] = ("Hours",)) -> Passage:
    return Passage("c1", "d1", "visiting.md", title, tuple(headings), 0, text)


def texts(messages: Sequence[BaseMessage]) -> list[str]:
    return [str(message.content) for message in messages]


@given(question=HOSTILE, text=HOSTILE, title=HOSTILE, heading=HOSTILE, earlier=HOSTILE, answer=HOSTILE)
@pytest.mark.parametrize("template", [HOUSE, None], ids=["house", "bare"])
def test_no_control_token_comes_through(
    template: PromptTemplate | None, question: str, text: str, title: str, heading: str, earlier: str, answer: str
) -> None:
    messages = render(template, question, [passage(text, title, [heading])], [Turn(earlier, answer)])
    assert not [content for content in texts(messages) if TOKEN.search(content)]
    assert not [token for token in TOKENS if token in "\n".join(texts(messages))]


@given(text=HOSTILE, title=HOSTILE)
def test_only_the_renderer_numbers_sources(text: str, title: str) -> None:
    user = texts(render(HOUSE, "When?", [passage(text, title), passage(text, title)]))[-1]
    assert [user.count(f"[{number}]") for number in (1, 2, 22)] == [1, 1, 0]


@given(question=HOSTILE, text=HOSTILE)
def test_the_same_values_give_the_same_messages(question: str, text: str) -> None:
    assert render(HOUSE, question, [passage(text)]) == render(HOUSE, question, [passage(text)])


def test_a_token_hidden_in_a_token_is_found() -> None:
    assert texts(render(None, "a<|im_<|im_end|>end|>b", None))[-1] == "ab"
    assert texts(render(None, "<|im_end|>", None))[-1] == ""
    assert texts(render(None, "a[IN</s>ST]<<|x|>start_of_turn>b", None))[-1] == "ab"
    assert texts(render(None, f"a<|{'x' * 64}|>b", None))[-1] == "ab"


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_of_any_family_is_taken_out(token: str) -> None:
    messages = render(None, f"Hi{token}yes", [passage(f"From{token}ten.")], [Turn(f"a{token}b", f"c{token}d")])
    assert texts(messages)[1:] == ["ab", "cd", "[1] Visiting > Hours\nFromten.\n\nHiyes"]


def test_ordinary_text_stays_as_it_is() -> None:
    text = "Under 5 <br> | 3 < 4 > 2 | <span> </p> [INSTALL] [inst] <start> <SYS> [see s] a|b"
    assert texts(render(None, f"{text} </s>", None))[-1] == text


def test_tokens_in_tokens_take_no_longer_than_their_length() -> None:
    deep = 200_000
    assert texts(render(None, "a" + "<|" * deep + "|>" * deep + "b", None))[-1] == "ab"
    assert texts(render(None, "a" + "[IN" * deep + "ST]" * deep + "b", None))[-1] == "ab"


def test_a_citation_cannot_hide_a_token_in_an_earlier_answer() -> None:
    assert texts(render(None, "Now?", None, [Turn("Before?", "It is <[1]|im_end|> so")]))[2] == "It is  so"


def test_what_people_write_is_never_a_template() -> None:
    question = "{{ 7 * 7 }} {% raw %}"
    assert question in texts(render(HOUSE, question, [passage("{{ question }}")]))[-1]
    assert "{{ question }}" in texts(render(HOUSE, question, [passage("{{ question }}")]))[-1]


def test_sources_are_numbered_in_their_order() -> None:
    user = texts(render(HOUSE, "When?", [passage("From ten."), passage("Until eight.", headings=["Evening"])]))[-1]
    assert user.index("[1] Visiting > Hours\nFrom ten.") < user.index("[2] Visiting > Evening\nUntil eight.")
    assert user.endswith("Question: When?")


def test_retrieval_off_and_retrieval_that_found_nothing_differ() -> None:
    off, nothing = (texts(render(HOUSE, "When?", passages))[0] for passages in (None, ()))
    assert "Do not cite" in off
    assert "numbered sources" in nothing


def test_the_prompt_layer_switched_off_leaves_the_bare_question() -> None:
    assert texts(render(None, "When?", None)) == ["You are a helpful assistant.", "When?"]
    assert texts(render(None, "When?", [passage("From ten.")]))[1] == "[1] Visiting > Hours\nFrom ten.\n\nWhen?"


def test_earlier_answers_come_without_their_citations() -> None:
    messages = render(HOUSE, "And on Sunday?", [], [Turn("When?", "From ten [1]. Until eight [12].")])
    assert [message.type for message in messages] == ["system", "human", "ai", "human"]
    assert texts(messages)[1:3] == ["When?", "From ten. Until eight."]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def written(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path

    return written


BOTH = "{% block system %}S{% endblock %}{% block user %}{{ question }}{% endblock %}"


def test_labels_come_from_the_file_names(write: Callable[[str, str], Path]) -> None:
    write("house.v2.jinja", BOTH)
    folder = write("house.v10.jinja", BOTH)
    assert sorted(prompt_labels(folder)) == ["house@10", "house@2"]
    assert load_prompt(folder, "house@10").label == "house@10"
    for stray in (
        "house.v2.old.jinja",
        "house.v2 (copy).jinja",
        "Haus.v1.jinja",
        "house.v02.jinja",
        "a.vb.v1.jinja",
    ):
        write(stray, BOTH)
    assert sorted(prompt_labels(folder)) == ["house@10", "house@2"]


def test_the_hash_follows_the_text(write: Callable[[str, str], Path]) -> None:
    before = load_prompt(write("house.v1.jinja", BOTH), "house@1").hash
    assert load_prompt(write("house.v1.jinja", BOTH + " "), "house@1").hash != before


@pytest.mark.parametrize(
    "label", ["house", "house@0", "house@2", "../house@1", "house@1/../x", "House@1", "@1", ""]
)
def test_an_unknown_label_names_the_known_ones(write: Callable[[str, str], Path], label: str) -> None:
    with pytest.raises(PromptError, match=r"out of house@1\."):
        load_prompt(write("house.v1.jinja", BOTH), label)


def test_a_template_needs_both_blocks(write: Callable[[str, str], Path]) -> None:
    with pytest.raises(PromptError, match="no block user"):
        load_prompt(write("house.v1.jinja", "{% block system %}S{% endblock %}"), "house@1")


def test_a_broken_template_names_its_line(write: Callable[[str, str], Path]) -> None:
    with pytest.raises(PromptError, match="line 2"):
        load_prompt(write("house.v1.jinja", "\n{% block system %}"), "house@1")


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("{{ quesiton }}", "'quesiton' is undefined"),
        ("{% if retrieved %}{{ sorces }}{% endif %}{{ question }}", "'sorces' is undefined"),
        ("{% for source in sources %}{{ source.text.it }}{% endfor %}{{ question }}", "has no attribute"),
        ("{{ question + 1 }}", "cannot be rendered: can only concatenate"),
        ("{% if retrieved and not sources %}{{ nothing }}{% endif %}", "'nothing' is undefined"),
        ("{% if not retrieved %}{{ bare }}{% endif %}", "'bare' is undefined"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ question.__class__ }}", "access to attribute '__class__' .* is unsafe"),
        ("{{ sources.clear() }}", "access to attribute 'clear' .* is unsafe"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_refused_when_it_is_read(
    write: Callable[[str, str], Path], block: str, told: str
) -> None:
    folder = write("house.v1.jinja", BOTH.replace("{{ question }}", block))
    with pytest.raises(PromptError, match=rf"house\.v1\.jinja cannot be rendered: .*{told}|{told}"):
        load_prompt(folder, "house@1")


def test_a_template_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "house.v1.jinja").write_bytes(BOTH.encode("utf-16"))
    with pytest.raises(PromptError, match=r"house\.v1\.jinja cannot be read"):
        load_prompt(tmp_path, "house@1")
