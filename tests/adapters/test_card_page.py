import xml.etree.ElementTree as ET

from adapters.card import Card, CurvePoint, LearningCurve
from adapters.card_page import as_page
from adapters.registry import Registry
from adapters.scores import AdapterScore, Estimate
from tests.adapters.conftest import SHIPPED
from tests.service.evaluation.page_reader import check_self_contained

CARD: Card = Registry(SHIPPED, SHIPPED / "none").resolve("house-style@2").card
POINTS = [
    CurvePoint(examples=size, rows=2 * size, steps=size // 2, loss=0.4, score=score, minutes=1)
    for size, score in ((100, 0.942), (200, 0.956), (400, 0.972))
]
CURVE = LearningCurve(values={}, held="the seed", points=tuple(POINTS), finding="More <examples> still help.")
SCORE = AdapterScore(
    adapter="house-style@2",
    weights_sha256=CARD.weights_sha256,
    run="abc",
    at="2026-11-26T09:00:00+00:00",
    questions=309,
    findings={},
    engine="openvino",
    combinations={
        "prompt on, retrieval on, adapter on": {"right": Estimate(mean=0.71, interval=(0.66, 0.76), questions=309)},
        "prompt off, retrieval off, adapter off": {"words": Estimate(mean=96, interval=None, questions=308)},
    },
)


def lines(page: str) -> list[ET.Element]:
    return [one for one in ET.fromstring(page).iter() if one.tag == "polyline"]


def test_it_needs_nothing_but_itself_and_draws_both_losses() -> None:
    page = as_page("house-style@2", CARD, None)
    assert page.lstrip().startswith("<!DOCTYPE html>")
    check_self_contained(page)
    assert [line.get("class") for line in lines(page)] == ["line1", "line2"]
    assert CARD.weights_sha256 in page and "2,245 rows out of 1,098 examples" in page
    assert "goes on from</dt><dd>house-style@1" in page and "The card of house-style@1 may have one" in page
    assert "No learning curve was drawn" in page and "No evaluation has measured it yet" in page


def test_a_learning_curve_is_drawn_with_what_it_says() -> None:
    page = as_page("house-style@2", CARD.model_copy(update={"learning_curve": CURVE}), None)
    assert len(lines(page)) == 3
    assert "More &lt;examples&gt; still help. The same for all points: the seed." in page


def test_scores_stand_with_their_intervals() -> None:
    page = as_page("house-style@2", CARD, SCORE)
    assert "<td>prompt on, retrieval on, adapter on</td><td>0.710 (0.660 to 0.760)</td>" in page
    assert "<td>prompt off, retrieval off, adapter off</td><td>–</td>" in page
    assert "309 questions, engine openvino" in page


def test_a_card_without_losses_says_so() -> None:
    assert "keeps too few of them" in as_page("a@1", CARD.model_copy(update={"losses": ()}), None)


def test_one_that_began_with_the_base_goes_on_from_nothing() -> None:
    assert "goes on from" not in as_page("a@1", CARD.model_copy(update={"recipe": {}}), None)
