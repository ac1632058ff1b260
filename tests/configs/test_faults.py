import re

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from configs.faults import in_one_line


class Place(BaseModel):
    model_config = ConfigDict(strict=True)

    floor: int


class Ward(BaseModel):
    name: str
    places: list[Place]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            {"places": [{"floor": "three"}]},
            r"^name: Field required; places\.0\.floor: Input should be a valid integer$",
        ),
        ("ward", r"^the file: Input should be a valid dictionary or instance of Ward$"),
    ],
)
def test_each_fault_has_its_place_and_no_value(content: object, told: str) -> None:
    with pytest.raises(ValidationError) as found:
        Ward.model_validate(content)
    assert re.search(told, in_one_line(found.value, "the file"))


def test_a_fault_of_the_whole_stands_alone_without_a_name() -> None:
    with pytest.raises(ValidationError) as found:
        Ward.model_validate("ward")
    assert in_one_line(found.value).startswith("Input should be")
