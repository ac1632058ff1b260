from typing import Any

import pytest

from service.plan import Factor, Layers, Manifest
from service.replay.differences import Told, differences
from service.replay.passages import Shown

LAYERS = Layers("house@1", "hospital", "style@2")
NOTHING = Layers(None, None, None)
PASSAGE = {
    "number": 1,
    "chunk_id": "a",
    "document_id": "d",
    "source": "visiting.md",
    "place": "Visiting > Hours",
    "score": 0.5,
}
MANIFEST = Manifest(
    LAYERS,
    LAYERS,
    {},
    "model",
    "openvino",
    "b" * 64,
    prompt_sha256="1" * 64,
    adapter_sha256="2" * 64,
    collection_fingerprint="e-s",
    search_query="When?",
    retrieval_settings={"passages": 3, "min_score": 0.28},
    tokens={"prompt": 500, "completion": 20},
    answered_as="m-2026-01",
).as_dict() | {"passages": [PASSAGE]}


def told(text: str = "At noon.", lacking: str = "", **changed: Any) -> Told:
    """What the model told; `lacking` is a value that an old manifest does not have."""
    manifest = MANIFEST | changed
    manifest.pop(lacking, None)
    return Told(text, manifest)


def sentences(then: Told, now: Told, *switched: Factor) -> list[str]:
    return [one.sentence for one in differences(then, now, switched, gone)]


def gone(_: Shown) -> str:
    return "is gone"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"prompt_sha256": "9" * 64}, "The prompt house@1 was edited (111111111111 then, 999999999999 now)."),
        (
            {"adapter_sha256": "9" * 64},
            "style@2 has other weights than then (222222222222 then, 999999999999 now).",
        ),
        ({"base": "c" * 64}, "The base is another (bbbbbbbbbbbb then, cccccccccccc now)."),
        ({"engine": "peft"}, "The engine is another (openvino then, peft now)."),
        (
            {"answered_as": "m-2026-05"},
            "The server's model called itself m-2026-01 then, and m-2026-05 now.",
        ),
        ({"passages": []}, "The passage visiting.md > Hours that was shown as 1 is gone."),
        ({"retrieval_degraded": True}, "The vector index could not help the search now, not then."),
        (
            {"retrieval_settings": {"passages": 3, "min_score": 0.5}},
            "The search's min_score was 0.28 then and is 0.5 now.",
        ),
        (
            {"retrieval_settings": {"passages": 3, "min_score": 0.28, "min_share": 0.2}},
            "The search's min_share was not there then and is 0.2 now.",
        ),
        (
            {"search_query": "Where? When?"},
            "Documents were searched for 'When?' then and for 'Where? When?' now: the earlier turns are not kept "
            "as they were.",
        ),
        (
            {"tokens": {"prompt": 400}},
            "The model read 500 tokens then and 400 now, though nothing that is recorded differs: something went "
            "into the prompt that is not kept, such as turns that the caller sent itself.",
        ),
    ],
)
def test_each_difference_is_named_exactly(changed: dict[str, Any], sentence: str) -> None:
    assert sentences(told(), told(**changed)) == [sentence]


def test_the_same_has_no_differences_whatever_was_said() -> None:
    assert sentences(told(), told("Another text.", timings={"answer": 9.0}, experiments={"a": "b"})) == []


def test_a_layer_that_was_switched_is_no_difference() -> None:
    bare = told(adapter_sha256=None, acted={"prompt": "house@1", "retrieval": "hospital", "adapter": None})
    assert sentences(told(), bare, "adapter") == []
    memory = told(
        acted={"prompt": "house@1", "retrieval": None, "adapter": "style@2"},
        collection_fingerprint=None,
        search_query=None,
        passages=[],
        tokens={"prompt": 60},
    )
    assert sentences(told(), memory, "retrieval") == []
    assert sentences(told(), told(prompt_sha256="9" * 64, tokens={"prompt": 60}), "prompt") == []


def test_what_was_not_switched_is_told_beside_a_switch() -> None:
    assert len(sentences(told(), told(adapter_sha256=None, base="c" * 64), "adapter")) == 1


def test_documents_that_were_indexed_anew_are_compared_by_their_places() -> None:
    anew = told(collection_fingerprint="f-s", passages=[PASSAGE | {"chunk_id": "z", "document_id": "y"}])
    [sentence] = sentences(told(), anew)
    assert "(e-s then, f-s now); passages are compared by their places." in sentence


def test_earlier_turns_that_are_not_kept_are_counted() -> None:
    [sentence] = sentences(told(turns=2), told(turns=0, search_query="Where? When?"))
    assert sentence.startswith("Earlier turns: 2 went into the answer and 0 are kept; the caller sent them itself")


def test_a_manifest_from_before_is_compared_by_what_it_has() -> None:
    assert sentences(told(lacking="turns"), told(turns=2)) == []
    assert sentences(told(lacking="top_p"), told()) == []
    [sentence] = sentences(told(lacking="top_p", temperature=0.7), told(top_p=0.9))
    assert sentence == "top_p was not recorded then; now it is 0.9."


def test_each_setting_of_the_search_that_changed_is_told_even_beside_another_collection() -> None:
    other = told(
        acted={"prompt": "house@1", "retrieval": "fine", "adapter": "style@2"},
        retrieval_settings={"passages": 5, "min_score": 0.5},
        collection_fingerprint="f-s",
        passages=[],
    )
    assert sentences(told(), other, "retrieval") == [
        "The search's passages was 3 then and is 5 now.",
        "The search's min_score was 0.28 then and is 0.5 now.",
    ]


def test_settings_that_were_not_recorded_are_told_where_other_passages_are_shown() -> None:
    old = told(lacking="retrieval_settings")
    assert sentences(old, told()) == []
    assert sentences(old, told(passages=[])) == [
        "The search's settings (layers.retrieval) were not recorded then; they may have changed.",
        "The passage visiting.md > Hours that was shown as 1 is gone.",
    ]


def fixed(path: str, text: str, rule: str | None = None) -> Told:
    acted = {"prompt": None, "retrieval": "hospital" if path == "no_sources" else None, "adapter": None}
    made: dict[str, Any] = {
        "engine": "none",
        "base": "",
        "prompt_sha256": None,
        "adapter_sha256": None,
        "passages": [],
    }
    return told(text, **made, path=path, rule=rule, acted=acted, tokens={"prompt": 0})


def test_fixed_texts_and_the_way_to_them() -> None:
    assert sentences(fixed("emergency", "Call.", "heart"), fixed("emergency", "Call.", "heart")) == []
    assert sentences(fixed("emergency", "Call.", "heart"), fixed("emergency", "Run.", "heart")) == [
        "The hand-off of the emergency rule heart was edited."
    ]
    assert sentences(fixed("emergency", "Call.", "heart"), fixed("emergency", "Lie.", "stroke")) == [
        "The emergency rule heart matched then, stroke matches now."
    ]
    assert sentences(fixed("no_sources", "Nothing."), fixed("no_sources", "No.")) == [
        "The fixed text for questions without sources (guard.no_answer) was edited."
    ]
    assert sentences(told(), fixed("no_sources", "Nothing.")) == [
        "Then the model answered; now nothing was found and the fixed text was given.",
        "The passage visiting.md > Hours that was shown as 1 is gone.",
    ]
    assert sentences(fixed("emergency", "Call.", "heart"), told()) == [
        "Then the emergency hand-off was given; now the model answered."
    ]
