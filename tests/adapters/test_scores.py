from pathlib import Path

import pytest

from adapters.card import read_card
from adapters.engines.protocol import AdapterRefused
from adapters.scores import SCORES, AdapterScore, Estimate, Finding, latest_score, record_score, scores_in
from tests.adapters.conftest import SHIPPED


def scored(run: str = "abc", weights: str = "a" * 64, worse: bool = True) -> AdapterScore:
    right = Finding(with_adapter=0.4, without=0.6, change=-0.2, interval=(-0.3, -0.1), margin=0.03, worse=worse)
    refused = right.model_copy(update={"worse": False})
    return AdapterScore(
        adapter="style@2",
        weights_sha256=weights,
        run=run,
        at="2026-11-26T09:00:00+00:00",
        questions=120,
        findings={"right": right, "refused": refused},
    )


def test_the_last_evaluation_of_the_weights_counts(tmp_path: Path) -> None:
    for score in (scored("one"), scored("two", worse=False), scored("three", weights="b" * 64)):
        record_score(tmp_path, score)
    assert latest_score([tmp_path], "a" * 64) == scored("two", worse=False)
    assert latest_score([tmp_path], "c" * 64) is None


def test_a_shorter_evaluation_frees_nothing(tmp_path: Path) -> None:
    for score in (scored("whole"), scored("short", worse=False).model_copy(update={"questions": 5})):
        record_score(tmp_path, score)
    assert latest_score([tmp_path], "a" * 64) == scored("whole")


def test_the_pack_s_own_evaluations_count_too(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    record_score(shipped, scored("whole"))
    record_score(own, scored("short", worse=False).model_copy(update={"questions": 5}))
    assert latest_score((shipped, own), "a" * 64) == scored("whole")
    record_score(own, scored("again"))
    assert latest_score((shipped, own), "a" * 64) == scored("again")


def test_the_pack_ships_what_its_adapter_scored() -> None:
    card = read_card(SHIPPED / "house-style" / "2")
    score = latest_score([SHIPPED], card.weights_sha256)
    assert score is not None and score.adapter == "house-style@2" and not score.worse
    assert len(score.combinations) == 8
    assert score.combinations["prompt on, retrieval on, adapter on"]["right"].interval is not None


def test_an_estimate_in_words() -> None:
    assert str(Estimate(mean=0.7123, interval=(0.66, 0.7649), questions=309)) == "0.712 (0.660 to 0.765)"
    assert str(Estimate(mean=1, interval=None, questions=1)) == "1.000"


def test_the_same_evaluation_is_kept_once(tmp_path: Path) -> None:
    for _ in range(3):
        record_score(tmp_path / "new", scored())
    assert scores_in(tmp_path / "new") == [scored()]


def test_a_refusal_names_what_is_worse_and_what_to_do() -> None:
    told = scored().refusal()
    assert "style@2 makes answers worse" in told
    assert "right 0.600 -> 0.400 (margin 0.03), over 120 questions (evaluation abc)" in told
    assert "refused" not in told


def test_a_score_of_an_earlier_version_has_no_fullest_combinations(tmp_path: Path) -> None:
    earlier = scored().model_dump_json(exclude={"fullest"})
    (tmp_path / SCORES).write_text(f"{earlier}\n")
    assert scores_in(tmp_path) == [scored()]


def test_blank_lines_are_no_evaluations_and_foreign_ones_are_named(tmp_path: Path) -> None:
    record_score(tmp_path, scored())
    file = tmp_path / SCORES
    whole = file.read_text()
    file.write_text(f"\n{whole}\n \n")
    assert scores_in(tmp_path) == [scored()]
    for foreign in ('{"name": "other"}', "not JSON", "3"):
        file.write_text(f"{whole}{foreign}\n")
        with pytest.raises(AdapterRefused, match=r"scores\.jsonl, line 2 is no evaluation"):
            latest_score([tmp_path], "a" * 64)


def test_a_last_evaluation_without_its_line_s_end_counts_and_stays(tmp_path: Path) -> None:
    record_score(tmp_path, scored())
    file = tmp_path / SCORES
    file.write_text(file.read_text().rstrip("\n"))
    assert latest_score([tmp_path], "a" * 64) == scored()
    record_score(tmp_path, scored("later", worse=False))
    assert scores_in(tmp_path) == [scored(), scored("later", worse=False)]
