from adapters.ranking.ask import CHARACTERS, asked, messages


def test_a_passage_is_read_after_the_task() -> None:
    system, passage = messages("Parking > Garage\nIt costs $3.")
    assert (system.type, passage.type, passage.content) == ("system", "human", "Parking > Garage\nIt costs $3.")


def test_a_question_is_scored_without_what_stands_around_it() -> None:
    assert asked(" When? ") == "When?"


def test_of_a_long_story_the_end_counts() -> None:
    told = asked("so " * 1000 + "can I come?")
    assert len(told) == CHARACTERS
    assert told.endswith("can I come?")
