"""Effects on tables worked by hand, as rules that always hold, and against the truth in simulated runs."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.evaluation.effects import Effect, contrast_values, contrasts, estimate, estimate_by_type
from service.evaluation.paired import FloatArray, differences, holm, sign_flip_p, t_interval
from service.plan import FACTORS

STUDIES = 2000
TABLES = arrays(np.float64, st.tuples(st.integers(2, 6), *[st.just(2)] * 3), elements=st.floats(-100, 100))


def published() -> FloatArray:
    """The reference's example: none .31, P .38, R .52, A .34, PR .63, PA .40, RA .55, all .66."""
    cells = np.empty((2, 2, 2))
    cells[0, 0, 0], cells[1, 0, 0], cells[0, 1, 0], cells[0, 0, 1] = 0.31, 0.38, 0.52, 0.34
    cells[1, 1, 0], cells[1, 0, 1], cells[0, 1, 1], cells[1, 1, 1] = 0.63, 0.40, 0.55, 0.66
    return cells


def means(effects: Mapping[str, Effect]) -> dict[str, float]:
    return {name: effect.mean for name, effect in effects.items() if effect.mean is not None}


def names(kind: str) -> list[int]:
    return [index for index, contrast in enumerate(contrasts()) if contrast.kind == kind]


def simulated(questions: int, retrieval: float, studies: int) -> FloatArray:
    """Right or wrong answers (studies * questions, 2, 2, 2): questions differ in difficulty and in what helps."""
    rng = np.random.default_rng(21)
    difficulty = rng.uniform(0.2, 0.6, (studies * questions, 1, 1, 1))
    helped = rng.uniform(-0.15, 0.15, (studies * questions, 1, 1, 1)) + retrieval
    chance = difficulty + helped * np.array([0, 1])[:, None]
    right: FloatArray = (rng.random((studies * questions, 2, 2, 2)) < chance).astype(float)
    return right


def studies_of(questions: int, retrieval: float, kind: str) -> FloatArray:
    """(questions, STUDIES, contrasts of the kind)"""
    values, _ = contrast_values(simulated(questions, retrieval, STUDIES))
    return values[:, names(kind)].reshape(STUDIES, questions, -1).swapaxes(0, 1)


def test_the_published_shapley_example() -> None:
    effects = estimate(np.stack([published(), published()]))
    assert means(effects.of("shapley")) == pytest.approx(
        {"prompt": 0.0883, "retrieval": 0.2333, "adapter": 0.0283}, abs=5e-5
    )
    assert means(effects.of("total")) == pytest.approx({"all on - all off": 0.35})


def test_contrasts_worked_by_hand() -> None:
    effects = estimate(np.stack([published(), published()]))
    assert means(effects.of("main"))["prompt"] == pytest.approx((0.07 + 0.11 + 0.06 + 0.11) / 4)
    assert means(effects.of("interaction"))["prompt x retrieval"] == pytest.approx((0.04 + 0.05) / 2)
    assert means(effects.of("interaction"))["prompt x retrieval x adapter"] == pytest.approx(0.05 - 0.04)
    assert means(effects.of("alone"))["retrieval"] == pytest.approx(0.52 - 0.31)
    assert means(effects.of("last"))["retrieval"] == pytest.approx(0.66 - 0.40)


@given(TABLES)
def test_shapley_shares_sum_to_all_on_minus_all_off(scores: FloatArray) -> None:
    values, _ = contrast_values(scores)
    expected = scores[:, 1, 1, 1] - scores[:, 0, 0, 0]
    assert values[:, names("shapley")].sum(axis=1) == pytest.approx(expected, abs=1e-9)


@given(TABLES, st.sampled_from(range(3)))
def test_a_layer_that_changes_nothing_has_no_effect(scores: FloatArray, layer: int) -> None:
    scores = np.repeat(scores.take([0], axis=layer + 1), 2, axis=layer + 1)
    for contrast, value in zip(contrasts(), contrast_values(scores)[0].T, strict=True):
        if FACTORS[layer] in contrast.name:
            assert value == pytest.approx(np.zeros(len(value)), abs=1e-9)


@given(TABLES)
def test_switching_a_layer_round_turns_its_main_effect_round(scores: FloatArray) -> None:
    plain, turned = contrast_values(scores)[0], contrast_values(scores[:, ::-1])[0]
    assert turned[:, names("main")] == pytest.approx(plain[:, names("main")] * [-1, 1, 1])


def test_a_question_with_a_missing_cell_is_left_out_and_counted() -> None:
    scores = np.stack([published(), published() + 0.1, published()])
    scores[2, 1, 0, 1] = np.nan
    effects = estimate(scores, groups=["a", "b", "b"])
    assert (effects.questions, effects.left_out, effects.groups) == (2, 1, 2)
    assert means(effects.of("total")) == pytest.approx({"all on - all off": 0.35})


@pytest.mark.parametrize(("complete", "mean"), [(0, None), (1, 0.35)])
def test_too_few_questions_have_no_interval(complete: int, mean: float | None) -> None:
    scores = np.full((2, 2, 2, 2), np.nan)
    scores[:complete] = published()
    total = estimate(scores).of("total")["all on - all off"]
    assert total.mean == pytest.approx(mean)
    assert (total.interval, total.bootstrap, total.p, total.spread) == (None, None, None, None)


def test_questions_on_one_document_alone_have_no_interval() -> None:
    scores = np.stack([published(), published() + 0.1])
    assert estimate(scores, groups=["a", "a"]).of("main")["prompt"].interval is None


def test_families_are_adjusted_apart_and_shares_are_not_tested() -> None:
    effects = estimate(simulated(30, 0.1, 1), seed=3)
    for kind in ("main", "interaction"):
        family = list(effects.of(kind).values())
        assert [one.p_holm for one in family] == pytest.approx(holm([one.p or 0.0 for one in family]))
    assert {(one.p, one.p_holm) for one in effects.of("shapley").values()} == {(None, None)}


def test_types_are_estimated_apart() -> None:
    scores = np.stack([published(), np.zeros((2, 2, 2)), published(), np.zeros((2, 2, 2))])
    strata = estimate_by_type(scores, ["fact", "style", "fact", "style"], groups=["a", "b", "c", "d"])
    assert list(strata) == ["fact", "style"]
    assert means(strata["fact"].of("total")) == pytest.approx({"all on - all off": 0.35})
    assert means(strata["style"].of("total")) == {"all on - all off": 0.0}
    assert strata["fact"].questions == 2


def test_the_same_seed_gives_the_same_table() -> None:
    scores = simulated(40, 0.1, 1)
    assert estimate(scores, seed=7) == estimate(scores, seed=7)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((3, 2, 2)), r"shape \(questions, 2, 2, 2\), got \(3, 2, 2\)"),
        (np.full((3, 2, 2, 2), np.inf), "infinite"),
    ],
)
def test_a_table_that_is_none_is_refused(scores: FloatArray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimate(scores)


def test_each_question_needs_a_type() -> None:
    with pytest.raises(ValueError, match="each of 2 questions, got 1"):
        estimate_by_type(np.zeros((2, 2, 2, 2)), ["fact"])


def test_intervals_of_main_effects_cover_known_effects() -> None:
    values = studies_of(40, 0.12, "main")
    for index, truth in enumerate([0.0, 0.12, 0.0]):
        interval = t_interval(differences(values[:, :, index]))
        covered = ((interval[:, 0] <= truth) & (truth <= interval[:, 1])).mean()
        assert covered == pytest.approx(0.95, abs=0.015)
        assert values[:, :, index].mean() == pytest.approx(truth, abs=0.005)


def test_intervals_of_shapley_shares_cover_known_effects() -> None:
    values = studies_of(40, 0.12, "shapley")[:, :, 1]
    interval = t_interval(differences(values))
    assert ((interval[:, 0] <= 0.12) & (interval[:, 1] >= 0.12)).mean() == pytest.approx(0.95, abs=0.015)


def test_three_layers_without_effect_raise_at_most_5_false_alarms_in_100_runs() -> None:
    values = studies_of(30, 0.0, "main")
    p_values = np.column_stack([sign_flip_p(differences(values[:, :, one]), flips=1999) for one in range(3)])
    alarms = np.mean([min(holm(row)) <= 0.05 for row in p_values.tolist()])
    assert alarms <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / STUDIES)
    assert np.mean(p_values <= 0.05) > 0.02
