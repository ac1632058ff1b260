from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from adapters.engines.openvino_lane import Lane, tokenizer_of
from adapters.merge import kept_merged
from ingest.models import ModelError, locate
from service.answer_schemas import AnswerSchema, Part
from tests.adapters.conftest import BASE, BASE_SHA256

SCHEMAS: TypeAdapter[Part] = TypeAdapter(AnswerSchema)
REQUEST = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "stop": [], "logprobs": False}
DECISION: dict[str, Any] = {
    "$defs": {"Reason": {"type": "object", "properties": {"code": {"enum": ["A1", "A2"]}}, "required": ["code"]}},
    "type": "object",
    "properties": {
        "approved": {"type": ["boolean", "null"]},
        "reasons": {"type": "array", "items": {"$ref": "#/$defs/Reason"}, "minItems": 1, "maxItems": 3},
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"const": "unknown"}, {"const": None}]},
        "place": {"prefixItems": [{"type": "number", "minimum": 0, "maximum": 90.5}], "maxItems": 1},
        "count": {"type": "integer", "exclusiveMinimum": 0},
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


GOOD = [
    DECISION,
    {},
    {"type": "object"},
    {"type": "array"},
    {"type": "object", "properties": {"title": {"type": "string"}, "oneOf": {}}, "required": ["title"]},
    nested(20),
    {"enum": ["a", 1, 2.5, True, None, 'say "a\\b"']},
    {"$ref": "#/$defs/Tree", "$defs": {"Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}},
    {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    {"type": "number", "minimum": 3, "maximum": 3},
]
SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"title": "T", "type": "string", "default": {"a": [1]}, "format": None}, {"type": "string"}),
    ({"oneOf": [{"type": "string"}], "discriminator": {"propertyName": "kind"}}, {"anyOf": [{"type": "string"}]}),
    ({"type": "array", "minItems": 1}, {"type": "array", "items": {}, "minItems": 1}),
    ({"properties": {"a": True}}, {"properties": {"a": {}}}),
    ({"$ref": "#/definitions/A", "definitions": {"A": {}}}, {"$ref": "#/$defs/A", "$defs": {"A": {}}}),
]
ROUND = {"A": {"$ref": "#/$defs/B"}, "B": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/A"}]}}
WORDS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
MANY: dict[str, Any] = {"properties": {f"p{number}": {} for number in range(199)}}
LARGEST: list[dict[str, Any]] = [
    {"enum": [f"number {number:03d}" for number in range(450)]},
    {"properties": {f"p{number}": {} for number in range(199)}, "additionalProperties": False},
    {"prefixItems": [{"type": "number", "minimum": -123456.789, "maximum": 98765.4 + n} for n in range(20)]},
    {"type": "array", "minItems": 1000, "maxItems": 1000},
    {"properties": {f"p{number}": WORDS | {"maxItems": 10} for number in range(99)}},
    {"type": "array", "maxItems": 500, "items": WORDS | {"maxItems": 500}},
]


@pytest.fixture(scope="module")
def lane(derived: Path) -> Lane:
    try:
        base = kept_merged(locate(BASE, BASE_SHA256), BASE_SHA256, derived)
    except ModelError as error:
        pytest.skip(str(error))
    return Lane(None, str(base), tokenizer_of(Path(base)), 1, 512, 1, cache_prompt=False)


@pytest.mark.parametrize("schema", GOOD)
def test_what_a_grammar_can_hold_stays_as_it_is(schema: dict[str, Any]) -> None:
    assert kept(schema) == schema


@pytest.mark.parametrize(("schema", "plain"), SAME)
def test_what_means_the_same_is_one(schema: dict[str, Any], plain: dict[str, Any]) -> None:
    assert kept(schema) == plain


@pytest.mark.parametrize("schema", [*GOOD, *(schema for schema, _ in SAME), *LARGEST])
def test_openvino_makes_a_grammar_of_it(lane: Lane, schema: dict[str, Any]) -> None:
    request = REQUEST | {"temperature": 0, "top_p": 1, "seed": 0, "json_schema": kept(schema)}
    replies = lane.add(1, request)
    while lane.busy:
        replies.extend(lane.step())
    assert not [reply["error"] for reply in replies if "error" in reply]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "nonsense"}, "type"),
        ({"type": "string", "pattern": "((a{1000}){1000}){1000}"}, "pattern"),
        ({"type": "string", "maxLength": 500}, "maxLength"),
        ({"type": "array", "items": {"allOf": []}}, "allOf"),
        ({"type": "array", "minItems": 5, "maxItems": 2}, "nothing would fit"),
        ({"type": "integer", "exclusiveMinimum": 5, "maximum": 2}, "nothing would fit"),
        ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 4}, "nothing would fit"),
        ({"type": "number", "exclusiveMinimum": 3, "maximum": 3}, "nothing would fit"),
        ({"type": "integer", "minimum": 0.5}, "whole numbers"),
        ({"type": "object", "required": ["x"]}, "required names 'x', which properties does not have"),
        ({"properties": {"a": {}, "b": {"required": ["c"]}}, "required": ["a"]}, "required names 'c'"),
        ({"prefixItems": [{}, {}], "maxItems": 1}, "prefixItems has 2"),
        ({"prefixItems": [{}], "items": False}, "items: false .* maxItems"),
        ({"type": "array", "maxItems": 1_000_000}, "less than or equal to 1000"),
        ({"properties": {f"p{number}": WORDS | {"maxItems": 501} for number in range(2)}}, "1000 items .* 1002"),
        ({"type": "array", "maxItems": 600, "items": WORDS | {"maxItems": 600}}, "1000 items .* 1200"),
        ({"enum": []}, "enum"),
        ({"enum": list(range(501))}, "at most 500 items"),
        ({"enum": ["two\nlines"]}, "enum"),
        ({"const": "x" * 201}, "const"),
        ({"const": float("inf")}, "const"),
        ({"const": 10**400}, "const"),
        ({"properties": {"\ud800": {}}}, "properties"),
        ({"properties": {'a"b': {}}}, "properties"),
        ({"$defs": {"a/b": {}}}, "defs"),
        ({"$ref": "#/nope"}, "#/nope is not defined"),
        ({"properties": {"a": {"$ref": "#"}}}, "# is not defined"),
        ({"$ref": "#/$defs/A", "$defs": ROUND}, "refers only to itself"),
        ({"oneOf": [{"type": "string"}], "anyOf": [{"type": "null"}]}, "oneOf"),
        ({"properties": {"a": {"$ref": "#/$defs/Reason"}}, "$defs": {"Other": {}}}, "Reason is not defined"),
        (nested(21), "at most 20 levels, it has 21"),
        (nested(5000), "recursion|levels"),
        ({"properties": {f"p{number}": {} for number in range(200)}}, "at most 200 parts, it has 201"),
        ({"enum": [f"{number:0100d}" for number in range(60)]}, "at most 5000 letters"),
        ({"anyOf": [{"type": "number", "minimum": n} for n in range(21)]}, "at most 20 ranges"),
        ({"anyOf": [{"const": f"{number:0200d}"} for number in range(26)]}, "at most 5000 letters"),
        ({"properties": {f"p{number}": WORDS | {"minItems": 501} for number in range(2)}}, "there, it has 1002"),
        ({"type": "array", "minItems": "3"}, "minItems"),
        ("no schema", "Part"),
    ],
    ids=lambda value: value if isinstance(value, str) else "schema",
)
def test_what_would_hold_up_everybody_is_refused(schema: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        kept(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": MANY}},
        {"items": MANY},
        {"prefixItems": [MANY]},
        {"anyOf": [MANY]},
        {"additionalProperties": MANY},
        {"$defs": {"A": MANY}},
    ],
    ids=lambda schema: next(iter(schema)),
)
def test_parts_are_counted_wherever_they_stand(schema: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="at most 200 parts, it has 201"):
        kept(schema)
