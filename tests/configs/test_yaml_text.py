"""YAML as it is read here: nothing is dropped without a word, and no line of it stands in an error."""

import pytest
import yaml

from configs.yaml_text import parse_yaml


@pytest.mark.parametrize(
    "text", ["layers: {a: 1}\nname: x\nlayers: {b: 2}\n", "a: {b: 1, 'b': 2}", "- {1: a, 1: b}", "{<<: {}, <<: {}}"]
)
def test_a_key_that_stands_twice_is_refused_with_its_lines(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="stands twice") as caught:
        parse_yaml(text)
    if "layers" in text:
        assert "'layers'" in str(caught.value) and "first in line 1" in str(caught.value)
        assert "line 3, column 1" in str(caught.value)


def test_one_key_in_two_sections_and_a_merged_section_are_no_double_keys() -> None:
    text = "base: &base {a: 1, b: 1}\nx: {y: &y {<<: *base, a: 2}}\nz: {<<: *y, b: 3}\n"
    assert parse_yaml(text)["x"]["y"] == {"a": 2, "b": 1}
    assert parse_yaml(text)["z"] == {"a": 2, "b": 3}


@pytest.mark.parametrize(
    "text",
    ["2026-13-45", r'"\UFFFFFFFF"', r'"\U00110000"', "[" * 3000, "9" * 5000, "@s3cret", "key: %s3cret"]
    + [f"key: {mark}" for mark in ("*s3cret", "!s3cret", "!s3cret 1", "!s3cret!1 x", "!<s3cret> x", "[*s3cret")]
    + ["key: &s3cret 1\nother: &s3cret 2", "%TAG !s3cret! tag:x,2000:\n%TAG !s3cret! tag:x,2000:\n---\na: 1"],
)
def test_what_no_yaml_can_mean_is_a_yaml_error_without_the_text(text: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        parse_yaml(text)
    assert "s3cret" not in str(caught.value)


def test_what_is_no_value_stays_in_the_sentence() -> None:
    with pytest.raises(yaml.YAMLError, match="but found '<scalar>'"):
        parse_yaml("a: 'b' c")
    with pytest.raises(yaml.YAMLError, match="expected ',' or ']', but got '<stream end>'"):
        parse_yaml("a: [1")
