from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from service.answer_schemas import AnswerSchema, Part

SCHEMAS: TypeAdapter[Part] = TypeAdapter(AnswerSchema)
DECISION = {
    "$defs": {"Reason": {"type": "object", "properties": {"code": {"enum": ["A1", "A2"]}}, "required": ["code"]}},
    "type": "object",
    "properties": {
        "approved": {"type": ["boolean", "null"]},
        "reasons": {"type": "array", "items": {"$ref": "#/$defs/Reason"}, "minItems": 1, "maxItems": 3},
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"const": "unknown"}]},
        "place": {
            "type": "array",
            "prefixItems": [{"type": "number", "minimum": 0, "maximum": 90.5}],
            "items": False,
        },
    },
    "required": ["approved"],
    "additionalProperties": False,
}


def kept(schema: Any) -> dict[str, Any]:
    return SCHEMAS.validate_python(schema).model_dump(exclude_unset=True)


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels - 1):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize("schema", [DECISION, {}, {"type": "object"}, nested(20)])
def test_what_a_grammar_can_hold_stays_as_it_is(schema: dict[str, Any]) -> None:
    assert kept(schema) == schema


def test_what_only_explains_is_left_out() -> None:
    assert kept({"title": "T", "description": "D", "type": "string", "default": {"a": [1]}}) == {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "nonsense"}, "type"),
        ({"type": "string", "pattern": "((a{1000}){1000}){1000}"}, "pattern"),
        ({"type": "string", "maxLength": 500}, "maxLength"),
        ({"type": "array", "items": {"allOf": []}}, "allOf"),
        ({"type": "array", "minItems": 5, "maxItems": 2}, "nothing would fit"),
        ({"type": "array", "maxItems": 1_000_000}, "less than or equal to 1000"),
        ({"enum": []}, "enum"),
        ({"const": float("inf")}, "const"),
        ({"properties": {"\ud800": {}}}, "properties"),
        ({"$ref": "#/nope"}, "#/nope is not defined"),
        ({"properties": {"a": {"$ref": "#/$defs/Reason"}}, "$defs": {"Other": {}}}, "Reason is not defined"),
        (nested(21), "at most 20 levels, it has 21"),
        (nested(5000), "recursion|levels"),
        ({"properties": {f"p{number}": {} for number in range(300)}}, "at most 300 parts, it has 301"),
        ("no schema", "Part"),
    ],
    ids=lambda value: value if isinstance(value, str) else "schema",
)
def test_what_would_hold_up_everybody_is_refused(schema: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        kept(schema)
