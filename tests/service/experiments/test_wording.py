from service.experiments import sequential, wording
from service.experiments.guardrails import Guardrail


def test_figures_have_their_sign_and_unit() -> None:
    assert wording.signed("rating", 0.1) == "+0.100"
    assert wording.signed("latency_ms", -1234.4) == "-1,234"
    assert wording.number("rating", 0.25) == "0.250"
    assert wording.number("latency_ms", 1234.4) == "1,234"
    assert wording.between("rating", sequential.TestedInterval(-0.1, 0.2, 0.5)) == "-0.100 to +0.200"
    assert wording.chance(0.0004) == "< 0.001"


def test_what_is_not_known_is_a_dash() -> None:
    assert {wording.signed("rating", None), wording.number("rating", None), wording.chance(None)} == {"–"}
    assert wording.between("rating", None) == "–"
    assert wording.bound(Guardrail("new", "escalated", None, None, 0.05, "open")) == "–"


def test_one_is_no_plural() -> None:
    assert (wording.count(1, "user"), wording.count(1200, "user")) == ("1 user", "1,200 users")


def test_sizes_fit_or_ring_the_alarm() -> None:
    assert wording.sizes_sentence(0.5).startswith("The arms' sizes fit their shares (p = 0.5;")
    assert "believe no effect" in wording.sizes_sentence(0.0001, "cells")
