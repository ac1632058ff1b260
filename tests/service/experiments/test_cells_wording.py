from dataclasses import replace

from service.experiments.cells import cells_of
from service.experiments.cells_wording import doubt_sentences, members_sentences, named_effects
from tests.service.experiments.small_experiment import answer, crossed_experiments, crossed_study

EXPERIMENTS = crossed_experiments()
REPORT = cells_of(EXPERIMENTS, crossed_study(40, {("long", "old"): 0.4, ("short", "new"): 0.5}))


def test_effects_are_named_by_their_layers_and_arms_those_of_one_layer_first() -> None:
    names = [name for name, _ in named_effects(REPORT)]
    assert names == ["prompt: short", "adapter: new", "prompt short × adapter new"]


def test_who_was_left_out_is_said() -> None:
    made = crossed_study(40, {("long", "old"): 0.4})
    made["spring"].append(answer("zoe", "new"))
    [told] = members_sentences(cells_of(EXPERIMENTS, made))
    assert told.startswith("40 users met all of june, spring, in the 19.0 days")
    assert "Left out: 1 user who" in told
    made["june"] += [replace(answer("max", arm), experiment="june") for arm in ("long", "short")]
    assert list(members_sentences(cells_of(EXPERIMENTS, made)))[1].endswith("counted nowhere: 1 user.")


def test_one_seed_is_named_only_where_there_is_one() -> None:
    assert list(doubt_sentences(REPORT)) == []
    [told] = doubt_sentences(replace(REPORT, same_seed=("june", "spring")))
    assert told.startswith("One seed for june, spring")
