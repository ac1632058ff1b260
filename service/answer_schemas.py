"""The JSON schemas that an answer can be held to: those of which a grammar is made at once and surely.

A grammar is made between two tokens of everybody's answers, so what fails or takes seconds (patterns and lengths of
text, which become one rule a letter) is refused at the door.
"""

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

MOST_PARTS = 200
MOST_LEVELS = 20
MOST_ITEMS = 1000
MOST_LETTERS = 5000
MOST_RANGES = 20
DEFINITION = "#/$defs/"
# What only explains, or names what is written elsewhere.
EXPLAINING = (
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator"),
    *("$schema", "$id", "$comment"),
)
SAME = {"definitions": "$defs", "oneOf": "anyOf"}

Type = Literal["object", "array", "string", "number", "integer", "boolean", "null"]
# Without quotes, backslashes and control characters: they end a name in the grammar.
Key = Annotated[str, Field(pattern=r'^[^"\\\x00-\x1f\x7f]{1,200}$')]
DefinitionName = Annotated[str, Field(pattern=r"^[\w.-]{1,200}$")]
Word = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,200}$")]
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Scalar = Word | bool | Whole | FiniteFloat | None
Bound = Annotated[int | FiniteFloat, Field(ge=-1e9, le=1e9)]
Count = Annotated[int, Field(ge=0, le=MOST_ITEMS)]
Format = Literal["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"]


class Part(BaseModel):
    """A schema, or one inside of it (json-schema.org/draft/2020-12): the keywords that a grammar enforces."""

    model_config = ConfigDict(extra="forbid", strict=True, serialize_by_alias=True)

    type: Type | Annotated[list[Type], Field(min_length=1)] | None = None
    enum: Annotated[list[Scalar], Field(min_length=1, max_length=500)] | None = None
    const: Scalar = None
    any_of: Annotated[list["Part"], Field(min_length=1)] | None = Field(None, alias="anyOf")
    ref: str | None = Field(None, alias="$ref")
    defs: dict[DefinitionName, "Part"] = Field(default_factory=dict, alias="$defs")

    properties: dict[Key, "Part"] = Field(default_factory=dict)
    required: list[Key] = Field(default_factory=list)
    additional_properties: "bool | Part" = Field(True, alias="additionalProperties")

    items: "Part | None" = None
    prefix_items: list["Part"] = Field(default_factory=list, alias="prefixItems")
    min_items: Count = Field(0, alias="minItems")
    max_items: Count = Field(MOST_ITEMS, alias="maxItems")

    format: Format | None = None
    minimum: Bound = -1e9
    maximum: Bound = 1e9
    above: Bound = Field(-1e9, alias="exclusiveMinimum")
    below: Bound = Field(1e9, alias="exclusiveMaximum")

    @model_validator(mode="before")
    @classmethod
    def plainly(cls, value: Any) -> Any:
        """In one way of several that mean the same, and without what enforces nothing."""
        if value is True:
            return {}
        if not isinstance(value, dict):
            return value
        same = {key: plain for key, plain in SAME.items() if plain not in value}
        told = {same.get(key, key): one for key, one in value.items() if key not in EXPLAINING}
        if isinstance(told.get("$ref"), str):
            told["$ref"] = told["$ref"].replace("#/definitions/", DEFINITION)
        if told.get("items") is False:
            raise ValueError("items: false is not what every engine knows; say with maxItems how many there may be")
        if told.keys() & {"minItems", "maxItems"} and not told.keys() & {"items", "prefixItems"}:
            told["items"] = {}
        return {key: one for key, one in told.items() if one is not None or key == "const"}

    @model_validator(mode="after")
    def something_fits(self) -> Self:
        if self.min_items > self.max_items or not self.some_number_fits():
            raise ValueError("the least is more than the most, so nothing would fit; turn them round")
        if unknown := [key for key in self.required if key not in self.properties]:
            raise ValueError(f"required names {unknown[0]!r}, which properties does not have; put it there")
        first = len(self.prefix_items)
        if self.max_items < first:
            raise ValueError(f"prefixItems has {first}, which maxItems does not let in; mend it")
        if "integer" in (self.type or ()) and not all(float(bound).is_integer() for bound in self.bounds()):
            raise ValueError("bounds of an integer are whole numbers; round them")
        return self

    def some_number_fits(self) -> bool:
        step = 1 if "integer" in (self.type or ()) else 0
        least, most = max(self.minimum, self.above + step), min(self.maximum, self.below - step)
        return least < most or (least == most and self.above < least < self.below)

    def bounds(self) -> list[float]:
        return [self.minimum, self.maximum, self.above, self.below]

    def inner(self) -> Iterator["Part"]:
        yield from self.properties.values()
        yield from self.prefix_items
        yield from self.any_of or ()
        yield from self.defs.values()
        yield from (part for part in (self.items, self.additional_properties) if isinstance(part, Part))

    def counted_items(self) -> int:
        """A grammar counts up to maxItems, a state each; without one, it does not count."""
        return self.max_items if "max_items" in self.model_fields_set else 0

    def letters(self) -> int:
        return sum(len(str(one)) for one in (*(self.enum or ()), self.const))

    def has_range(self) -> bool:
        return "number" in (self.type or ()) and any(abs(bound) != 1e9 for bound in self.bounds())


def levels(part: Part) -> int:
    return 1 + max(map(levels, part.inner()), default=0)


def all_parts(part: Part) -> Iterator[Part]:
    yield part
    for inner in part.inner():
        yield from all_parts(inner)


def straight_refs(part: Part) -> Iterator[str]:
    """What is to stand in the part's own place, not somewhere inside of it."""
    if part.ref:
        yield part.ref
    for one in part.any_of or ():
        yield from straight_refs(one)


def check_refs(schema: Part, parts: Sequence[Part]) -> None:
    """Every one names a definition, and none goes round without an object or an array in between."""
    defined = {f"{DEFINITION}{name}": part for name, part in schema.defs.items()}
    unknown = {part.ref for part in parts if part.ref} - defined.keys()
    if unknown:
        raise ValueError(f"{min(unknown)} is not defined; a $ref names one of its own, as {DEFINITION}NAME")
    try:
        TopologicalSorter({name: set(straight_refs(part)) for name, part in defined.items()}).prepare()
    except CycleError as error:
        raise ValueError(f"{error.args[1][0]} refers only to itself; say what it is") from error


def checked(schema: Part) -> Part:
    """The whole: of bounded cost, and with what it refers to. Raises ValueError."""
    parts = list(all_parts(schema))
    for found, most, what in (
        (len(parts), MOST_PARTS, "parts"),
        (levels(schema), MOST_LEVELS, "levels"),
        (sum(part.letters() for part in parts), MOST_LETTERS, "letters in enum and const"),
        (sum(part.has_range() for part in parts), MOST_RANGES, "ranges of numbers"),
        (sum(part.min_items for part in parts), MOST_ITEMS, "items that must be there"),
        (sum(part.counted_items() for part in parts), MOST_ITEMS, "items in all its maxItems together"),
    ):
        if found > most:
            raise ValueError(f"expected a schema of at most {most} {what}, it has {found}; ask for less at once")
    check_refs(schema, parts)
    return schema


AnswerSchema = Annotated[Part, AfterValidator(checked)]
