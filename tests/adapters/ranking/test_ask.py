from adapters.ranking.ask import CHARACTERS, messages


def test_a_passage_is_read_before_the_question() -> None:
    system, shown = messages("Parking > Garage\nIt costs $3.", " garage fee? ")
    assert (system.type, shown.type) == ("system", "human")
    assert shown.content == "Parking > Garage\nIt costs $3.\n\nQuestion: garage fee?"


def test_a_follow_up_comes_after_the_question_before_it() -> None:
    _, shown = messages("Hours", "And on Sundays?", "When can I visit?")
    assert shown.content == "Hours\n\nQuestion: When can I visit?\n\nQuestion: And on Sundays?"


def test_of_a_long_story_the_end_counts() -> None:
    _, shown = messages("Hours", "so " * 1000 + "can I come?", "When? " * 1000)
    before, told = str(shown.content).removeprefix("Hours\n\nQuestion: ").split("\n\nQuestion: ")
    assert (len(before), len(told)) == (CHARACTERS, CHARACTERS)
    assert told.endswith("can I come?")
