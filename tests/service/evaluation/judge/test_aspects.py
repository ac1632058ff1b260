import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.judge.aspects import (
    ASPECTS,
    NOT_JSON,
    ORDERS,
    OTHER_FORM,
    read_reply,
    reply_schema,
    value_of,
)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_steps_go_from_one_down_to_zero(aspect: str) -> None:
    values = [step.value for step in ASPECTS[aspect]]  # type: ignore[index]
    assert values == sorted(values, reverse=True) and (values[0], values[-1]) == (1, 0)


def test_the_other_order_offers_the_same_the_other_way_round() -> None:
    first, second = (reply_schema(("right",), order)["properties"]["right"]["enum"] for order in ORDERS)
    assert first == second[::-1] == ["right", "mostly right", "mostly wrong", "wrong"]


def test_a_schema_asks_for_exactly_what_is_asked() -> None:
    schema = reply_schema(("refuses", "supported"), "best first")
    assert schema["required"] == ["refuses", "supported"] == list(schema["properties"])
    assert schema["additionalProperties"] is False


def test_a_good_reply_is_read() -> None:
    reply = {"refuses": "no", "right": "mostly right"}
    assert read_reply(f" {json.dumps(reply)}\n", ("refuses", "right")) == reply
    assert value_of("right", "mostly right") == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", NOT_JSON),
        ("It is right.", NOT_JSON),
        ('```json\n{"right": "right"}\n```', NOT_JSON),
        ('{"right": "right"', NOT_JSON),
        ("[" * 100_000, NOT_JSON),
        ('["right"]', OTHER_FORM),
        ('"right"', OTHER_FORM),
        ("{}", OTHER_FORM),
        ('{"right": "Right"}', OTHER_FORM),
        ('{"right": "nearly"}', OTHER_FORM),
        ('{"right": 1}', OTHER_FORM),
        ('{"right": ["right"]}', OTHER_FORM),
        ('{"right": null}', OTHER_FORM),
        ('{"right": "right", "refuses": "no"}', OTHER_FORM),
        ('{"refuses": "no"}', OTHER_FORM),
    ],
)
def test_nothing_is_guessed(reply: str, reason: str) -> None:
    assert read_reply(reply, ("right",)) == reason


@given(st.text())
def test_no_text_breaks_it(reply: str) -> None:
    assert read_reply(reply, ("right",)) in (NOT_JSON, OTHER_FORM)
