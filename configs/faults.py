"""What pydantic found wrong, in one line: every fault with its place, and without links or values."""

from pydantic import ValidationError


def in_one_line(error: ValidationError, whole: str = "") -> str:
    """`whole` is what a fault of the whole is called; without a name it stands alone."""
    faults = ((".".join(map(str, one["loc"])) or whole, one["msg"]) for one in error.errors())
    return "; ".join(f"{place}: {message}" if place else message for place, message in faults)
