import numpy as np
import pytest

from service.evaluation.style_classifier import FOLDS, Text, auc, cross_validated, fitted, folds, unseen_scores

HOUSE = ("You can {} before you {}.", "If you {}, you may {} with us.", "To {}, you can {} at your {}.")
OTHER = ("The {} of the {} is in the {}.", "All of the {} are from the {}.", "It is the {} that is {}.")


def texts(documents: int, each: int, told_apart: bool = True, seed: int = 1) -> list[Text]:
    """Two voices about the same topics; without `told_apart` the labels are a coin's."""
    chance = np.random.default_rng(seed)
    found = []
    for number in range(documents):
        for at in range(each):
            forms = [HOUSE[at % 3], OTHER[at % 3]]
            if not told_apart:
                chance.shuffle(forms)
            topic = [f"topic{'abcdefghij'[number % 10]}"] * 3
            found += [
                Text(f"d{number}", form.format(*topic), house)
                for form, house in zip(forms, (True, False), strict=True)
            ]
    return found


def test_an_auc_by_hand() -> None:
    assert auc(np.array([0.9, 0.4]), np.array([0.5, 0.1])) == 0.75
    assert auc(np.array([0.5]), np.array([0.5, 0.5])) == 0.5
    assert auc(np.array([0.1]), np.array([0.9])) == 0


def test_two_voices_are_told_apart_on_documents_that_it_never_saw() -> None:
    found, interval = cross_validated(texts(12, 6), seed=7)
    assert found > 0.95
    assert interval.low <= found <= interval.high


def test_one_voice_is_not() -> None:
    found, interval = cross_validated(texts(40, 6, told_apart=False), seed=7)
    assert interval.low < 0.5 < interval.high
    assert found == pytest.approx(0.5, abs=0.1)


def test_a_document_is_in_one_fold_only_and_the_seed_deals_them() -> None:
    some = texts(12, 2)
    dealt = folds(some, seed=7)
    assert dealt.keys() == {one.document for one in some}
    assert set(dealt.values()) == set(range(FOLDS))
    assert folds(some[::-1], seed=7) == dealt != folds(some, seed=8)


def test_a_text_is_scored_without_any_of_its_document() -> None:
    """Its document's labels turned round: nobody else's classifier notices, so its own scores stay."""
    some = texts(10, 6)
    turned = [Text(one.document, one.text, one.house != (one.document == "d0")) for one in some]
    own = np.array([one.document == "d0" for one in some])
    assert unseen_scores(some, 7)[own] == pytest.approx(unseen_scores(turned, 7)[own])


def test_the_same_texts_and_seed_give_the_same_numbers() -> None:
    some = texts(12, 6)
    assert cross_validated(some, 7) == cross_validated(some, 7)
    first, again = fitted(some), fitted(some)
    assert np.array_equal(first.weights, again.weights) and first.bias == again.bias


def test_of_the_house_is_more_likely() -> None:
    classifier = fitted(texts(12, 6))
    house, other = classifier.probabilities(["You can pay before you go.", "The cost of the meal is in the bill."])
    assert house > 0.7 and other < 0.3
