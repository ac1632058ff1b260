"""What kind of problem an error is."""

from adapters.engines.protocol import EngineBusy
from service.errors import HTTP_KINDS, INTERNAL, KINDS, Kind, kind_of


class OwnBusy(EngineBusy):
    """An engine's own error."""


def test_a_subclass_is_the_kind_of_its_nearest_listed_class() -> None:
    assert kind_of(OwnBusy("x")) is KINDS[EngineBusy]


def test_an_error_that_nobody_listed_is_internal() -> None:
    assert kind_of(ZeroDivisionError()) is INTERNAL


def test_one_name_has_one_status() -> None:
    kinds: list[Kind] = [*KINDS.values(), *HTTP_KINDS.values(), INTERNAL]
    statuses: dict[str, set[int]] = {}
    for kind in kinds:
        statuses.setdefault(kind.name, set()).add(kind.status)
    assert all(len(found) == 1 for found in statuses.values())
