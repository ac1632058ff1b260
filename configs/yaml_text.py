"""YAML text to values; a key that stands twice is an error, where PyYAML would keep the last one without a word."""

import io
import re
from typing import Any

import yaml
from yaml.composer import Composer

# A word in PyYAML's own sentences; the names of its tokens, such as '<scalar>', and single characters stay.
QUOTED = re.compile(r"""'(?![ <,])[^']{2,}'|"(?![ <,])[^"]{2,}\"""")


class _StandsTwice(yaml.MarkedYAMLError):
    """Names the key, which is no secret."""


class _EachKeyOnce(Composer):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        _refuse_twice(node)
        return node


class _Values(_EachKeyOnce, yaml.SafeLoader):
    pass


class _Texts(_EachKeyOnce, yaml.BaseLoader):
    pass


def parse_yaml(text: str, as_text: bool = False) -> Any:
    """The values of plain YAML, or each of them as the text that it is. Raises yaml.YAMLError, which tells line and
    column but quotes no line and no value.
    """
    try:
        # From a stream: of a text PyYAML's errors quote the line, and a password may stand there.
        return yaml.load(io.StringIO(text), Loader=_Texts if as_text else _Values)  # noqa: S506
    except _StandsTwice:
        raise
    except yaml.MarkedYAMLError as error:
        # A password that begins with * or ! is an alias or a tag to YAML, and its error names it.
        error.context, error.problem = _without_words(error.context), _without_words(error.problem)
        raise
    except (ValueError, OverflowError, RecursionError) as error:
        # These PyYAML lets through: 2026-13-45, "\U00110000", "\UFFFFFFFF", a thousand brackets.
        told = f"a date, a number, an escape or the nesting is impossible ({type(error).__name__})"
        raise yaml.YAMLError(told) from None


def _without_words(sentence: str | None) -> str | None:
    return sentence and QUOTED.sub("(not shown)", sentence)


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen: dict[tuple[str, str], yaml.Mark] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        first = seen.setdefault((key.tag, key.value), key.start_mark)
        if first is not key.start_mark:
            raise _StandsTwice(
                None,
                None,
                f"the key {key.value!r} stands twice in one section, first in line {first.line + 1}; "
                "only one of them would count: put what belongs to it under one",
                key.start_mark,
            )
