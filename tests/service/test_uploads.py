"""The fields beside uploaded files."""

from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData

from service.uploads import fields


def test_fields_are_json_but_for_the_collection() -> None:
    form = FormData(
        {"collection": "hospital", "prune": "true", "labels": '["staff", "staff"]', "present": '["a.md"]'}
    )
    read = fields(form)
    assert (read.collection, read.prune) == ("hospital", True)
    assert (read.labels, read.present) == (frozenset({"staff"}), ["a.md"])


def test_without_fields_nothing_is_pruned_or_labelled() -> None:
    read = fields(FormData())
    assert (read.collection, read.prune, read.labels, read.present) == (None, False, None, None)


@pytest.mark.parametrize(
    "form",
    [
        {"prune": "1.5"},
        {"labels": '"staff"'},
        {"labels": "[]["},
        {"labels": "[]"},
        {"unknown": "1"},
        {"present": "[1]"},
        {"collection": "my docs"},
        {"collection": "a*b"},
    ],
)
def test_wrong_fields_are_named(form: dict[str, Any]) -> None:
    with pytest.raises(RequestValidationError) as caught:
        fields(FormData(form))
    assert caught.value.errors()[0]["loc"][:2] == ("body", next(iter(form)))
