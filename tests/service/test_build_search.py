from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.ranking.ranker import Ranker
from configs.load import HOSPITAL, load_settings
from configs.settings import Settings
from ingest.corpus import Corpus
from ingest.models import ModelError
from service.build_search import retriever_of, second_look
from service.second_look import SecondLook
from tests.service.conftest import data_folder


def hospital(folder: Path, **environment: str) -> Settings:
    return load_settings(HOSPITAL, {"TRIPTYCH__DATA__FOLDER": str(folder), **environment}).settings


def test_the_hospital_s_ranker_reads_three_passages(tmp_path: Path, derived: Path) -> None:
    look = second_look(hospital(data_folder(tmp_path, derived)))
    assert look is not None and isinstance(look.ranker, Ranker)
    assert look.settings() == {
        "ranker": look.ranker.sha256,
        "ranker_passages": 3,
        "ranker_weight": 0.1,
        "ranker_min_log_odds": -2.5,
    }
    texts = ["Parking > Garage\nThe garage costs $3 an hour.", "Cafeteria > Lunch\nLunch is from noon to 2 p.m."]
    food, price = (look.ranker.log_odds(question, texts) for question in ("can i eat something", "parking fee?"))
    assert food[1] > food[0] and price[0] > price[1]


def test_without_an_adapter_there_is_no_second_look(tmp_path: Path) -> None:
    assert second_look(hospital(tmp_path, TRIPTYCH__RANKER__ADAPTER="null")) is None


def test_a_ranker_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"ranker\.adapter cannot act: .*ranker/9"):
        second_look(hospital(tmp_path, TRIPTYCH__RANKER__ADAPTER=str(tmp_path / "ranker" / "9")))


class Silent:
    """A ranker that is never asked."""

    sha256 = "0" * 64

    def log_odds(self, question: str, passages: Sequence[str], earlier: str = "") -> list[float]:
        raise AssertionError


SEARCHES = '{"words": {"dense_weight": 0.2, "ranker": "off"}, "elsewhere": {"collection": "annex", "passages": 7}}'


def test_another_search_is_the_layer_s_own_but_for_what_it_names(corpus: Corpus, tmp_path: Path) -> None:
    settings = hospital(tmp_path, TRIPTYCH__LAYERS__RETRIEVAL__SEARCHES=SEARCHES)
    own = retriever_of(settings, corpus, SecondLook(Silent(), 3, 0.1, -2.5))
    words, annex = own.ways["words"], own.ways["elsewhere"]
    told = own.settings()
    ranker = {name for name in told if name.startswith("ranker")}
    assert words.settings() == {key: value for key, value in told.items() if key not in ranker} | {
        "dense_weight": 0.2
    }
    assert annex.settings() == told | {"passages": 7}
    assert (own.searched, words.searched, annex.searched) == (corpus.name, corpus.name, "annex")
