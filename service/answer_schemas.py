"""The JSON schemas that an answer can be held to: those of which a grammar is made at once and surely.

A grammar is made between two tokens of everybody's answers, so what fails or takes seconds (patterns and lengths of
text, which become one rule a letter) is refused at the door.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from service.schemas import Printable

MOST_PARTS = 300
MOST_LEVELS = 20
MOST_ITEMS = 1000
DEFINITION = "#/$defs/"

Type = Literal["object", "array", "string", "number", "integer", "boolean", "null"]
Name = Annotated[Printable, Field(max_length=200)]
Scalar = Name | bool | int | FiniteFloat | None
Bound = Annotated[int | FiniteFloat, Field(ge=-1e9, le=1e9)]
Count = Annotated[int, Field(ge=0, le=MOST_ITEMS)]
Format = Literal["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"]


class Part(BaseModel):
    """A schema, or one inside of it (https://json-schema.org/draft/2020-12): the keywords that a grammar enforces.

    What only explains is taken and left out.
    """

    model_config = ConfigDict(extra="forbid", strict=True, serialize_by_alias=True)

    type: Type | Annotated[list[Type], Field(min_length=1)] | None = None
    enum: Annotated[list[Scalar], Field(min_length=1, max_length=500)] | None = None
    const: Scalar = None
    any_of: Annotated[list["Part"], Field(min_length=1)] | None = Field(None, alias="anyOf")
    ref: Name | None = Field(None, alias="$ref")
    defs: dict[Name, "Part"] = Field(default_factory=dict, alias="$defs")

    properties: dict[Name, "Part"] = Field(default_factory=dict)
    required: list[Name] = Field(default_factory=list)
    additional_properties: "bool | Part" = Field(True, alias="additionalProperties")

    items: "bool | Part" = True
    prefix_items: list["Part"] = Field(default_factory=list, alias="prefixItems")
    min_items: Count = Field(0, alias="minItems")
    max_items: Count = Field(MOST_ITEMS, alias="maxItems")

    format: Format | None = None
    minimum: Bound = -1e9
    maximum: Bound = 1e9

    title: Any = Field(None, exclude=True)
    description: Any = Field(None, exclude=True)
    default: Any = Field(None, exclude=True)
    examples: Any = Field(None, exclude=True)
    dialect: Any = Field(None, alias="$schema", exclude=True)

    @model_validator(mode="after")
    def check_order(self) -> Self:
        if self.min_items > self.max_items or self.minimum > self.maximum:
            raise ValueError("the least is more than the most, so nothing would fit; turn them round")
        return self

    def inner(self) -> Iterator["Part"]:
        yield from self.properties.values()
        yield from self.prefix_items
        yield from self.any_of or ()
        yield from self.defs.values()
        yield from (part for part in (self.items, self.additional_properties) if isinstance(part, Part))


def levels(part: Part) -> int:
    return 1 + max(map(levels, part.inner()), default=0)


def all_parts(part: Part) -> Iterator[Part]:
    yield part
    for inner in part.inner():
        yield from all_parts(inner)


def checked(schema: Part) -> Part:
    """The whole: of bounded size, and with every definition that it refers to. Raises ValueError."""
    parts = list(all_parts(schema))
    for found, most, what in ((len(parts), MOST_PARTS, "parts"), (levels(schema), MOST_LEVELS, "levels")):
        if found > most:
            raise ValueError(f"expected a schema of at most {most} {what}, it has {found}; ask for less at once")
    unknown = {part.ref for part in parts if part.ref} - {f"{DEFINITION}{name}" for name in schema.defs}
    if unknown:
        raise ValueError(f"{min(unknown)} is not defined; a $ref names one of its own, as {DEFINITION}NAME")
    return schema


AnswerSchema = Annotated[Part, AfterValidator(checked)]
