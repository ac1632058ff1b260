from adapters.ranking.ask import CHARACTERS, asked, messages


def test_a_passage_is_read_after_the_task() -> None:
    system, passage = messages("Parking > Garage\nIt costs $3.")
    assert (system.type, passage.type, passage.content) == ("system", "human", "Parking > Garage\nIt costs $3.")


def test_a_follow_up_is_scored_after_the_question_before_it() -> None:
    assert (
        asked("And on Sundays?", ["Where do I park?", "When can I visit?"]) == "When can I visit? And on Sundays?"
    )
    assert asked(" When? ") == "When?"


def test_of_a_long_story_the_end_counts() -> None:
    told = asked("so " * 1000 + "can I come?")
    assert len(told) == CHARACTERS
    assert told.endswith("can I come?")
