from hypothesis import given
from hypothesis import strategies as st

from adapters.asked import Asked
from adapters.ranking import ask
from adapters.ranking.groups import groups_of, rows_of
from adapters.recipe import Groups

ASKED = st.builds(
    Asked,
    st.sampled_from(["when?", "how much?", "may I?"]),
    st.sampled_from([None, "the right one"]),
    st.lists(st.integers(0, 99).map(str), unique=True, max_size=6).map(tuple),
)
VALUES = st.builds(
    Groups, others=st.integers(1, 4), nearest=st.integers(1, 6), withheld=st.sampled_from([0.0, 0.5, 1.0])
)


@given(st.lists(ASKED, max_size=8), VALUES, st.integers(0, 9))
def test_only_the_first_row_may_answer_and_the_others_are_near(
    asked: list[Asked], values: Groups, seed: int
) -> None:
    groups = list(groups_of(asked, values, seed))
    assert groups == list(groups_of(asked, values, seed)), "the same seed draws the same"
    for group in groups:
        one = asked[int(group.rows[0].example)]
        told = [row.completion for row in group.rows]
        assert told[0] == (ask.YES if group.answered else ask.NO)
        assert set(told[1:]) <= {ask.NO}
        assert len(group.rows) - group.answered == min(values.others, len(one.others[: values.nearest]))
        passages = [str(row.messages[1].content).split("\n\n")[0] for row in group.rows]
        assert passages[:1] == ["the right one"] if group.answered else "the right one" not in passages
        assert set(passages[int(group.answered) :]) <= set(one.others[: values.nearest])


def test_a_right_passage_that_is_always_withheld_never_comes() -> None:
    asked = [Asked("when?", "the right one", ("far", "near"))] * 9
    groups = list(groups_of(asked, Groups(others=2, nearest=2, withheld=1), 1))
    assert {row.completion for row in rows_of(groups)} == {ask.NO}
    groups = list(groups_of(asked, Groups(others=2, nearest=2, withheld=0), 1))
    assert all(group.answered for group in groups)
    assert len(rows_of(groups)) == 27


def test_a_question_without_any_passage_makes_no_group() -> None:
    assert list(groups_of([Asked("when?", None, ())], Groups(others=1, nearest=1, withheld=0), 1)) == []
