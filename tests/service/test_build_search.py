from pathlib import Path

import pytest

from adapters.ranking.ranker import Ranker
from configs.load import HOSPITAL, load_settings
from configs.settings import Settings
from ingest.models import ModelError
from service.build_search import second_look


def hospital(folder: Path, **environment: str) -> Settings:
    return load_settings(HOSPITAL, {"TRIPTYCH__DATA__FOLDER": str(folder), **environment}).settings


def test_the_hospital_s_ranker_reads_three_passages(tmp_path: Path) -> None:
    look = second_look(hospital(tmp_path))
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
