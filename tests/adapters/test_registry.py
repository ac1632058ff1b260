import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from adapters.card import CONFIG
from adapters.engines.protocol import AdapterRefused
from adapters.header import BaseFile
from adapters.registry import Registry, UnknownAdapter
from ingest.models import file_sha256
from tests.adapters.conftest import MakeAdapter
from tests.adapters.small_adapter import BASE_SHA256, SHAPES, write_base
from tests.adapters.test_scores import scored


@pytest.fixture
def registry(tmp_path: Path, make_adapter: MakeAdapter) -> Registry:
    """Three versions of `style`, the last one our own, and one adapter of another name."""
    for name in ("style/1", "style/2", "brief/1"):
        make_adapter(name)
    make_adapter("style/10", root="own")
    return Registry(tmp_path / "shipped", tmp_path / "own")


def test_all_are_listed_by_name_and_number(registry: Registry) -> None:
    assert [one.label for one in registry.all()] == ["brief@1", "style@1", "style@2", "style@10"]
    assert registry.labels() == {"brief@1", "style@1", "style@2", "style@10"}


def test_what_is_no_version_is_not_listed(registry: Registry, tmp_path: Path) -> None:
    for name in ("style/.11", "style/latest", "style/01", "style/0", "Style/1"):
        (tmp_path / "own" / name).mkdir(parents=True)
    (tmp_path / "own" / "style" / "12").write_text("a file")
    assert len(registry.all()) == 4


def test_an_empty_registry_says_so(tmp_path: Path) -> None:
    empty = Registry(tmp_path / "no", tmp_path / "folders")
    assert empty.all() == []
    with pytest.raises(UnknownAdapter, match="there are: none"):
        empty.resolve("style")


def test_a_bare_name_means_the_newest_that_ships_until_one_is_promoted(registry: Registry) -> None:
    assert registry.resolve("style").label == "style@2"
    registry.promote("style@10", BASE_SHA256, "Ada")
    assert registry.resolve("style").label == "style@10"
    assert registry.resolve("style@1").label == "style@1"
    assert registry.promoted() == {"brief": "brief@1", "style": "style@10"}


def test_what_only_we_have_serves_under_its_bare_name_once_it_is_promoted(
    registry: Registry, make_adapter: MakeAdapter
) -> None:
    make_adapter("mine/1", root="own")
    with pytest.raises(UnknownAdapter, match="No version of 'mine' is promoted"):
        registry.resolve("mine")
    registry.promote("mine@1", BASE_SHA256, "Ada")
    assert registry.resolve("mine").label == "mine@1"
    assert registry.full_label("mine*0.5") == "mine@1*0.5"
    assert registry.promotions()[-1]["before"] is None
    with pytest.raises(UnknownAdapter, match="no earlier"):
        registry.rollback("mine", BASE_SHA256, "Bob")


@pytest.mark.parametrize("label", ["other", "style@3", "style@", "style@1@1", "../style@1", "", "STYLE"])
def test_an_unknown_label_names_the_known_ones(registry: Registry, label: str) -> None:
    with pytest.raises(UnknownAdapter, match="brief@1, style@1, style@2, style@10"):
        registry.resolve(label)


def test_what_an_evaluation_found_worse_is_promoted_with_a_reason_only(registry: Registry, tmp_path: Path) -> None:
    version = registry.resolve("style@1")
    worse = scored(weights=version.card.weights_sha256)
    registry.record_score(worse)
    assert registry.score(version) == worse
    for no_reason in (None, ""):
        with pytest.raises(AdapterRefused, match=r"right 0\.600 -> 0\.400"):
            registry.promote("style@1", BASE_SHA256, "Ada", no_reason)
    assert registry.promoted()["style"] == "style@2"
    assert registry.promotions() == []
    registry.promote("style@1", BASE_SHA256, "Ada", despite="the old one names a closed ward")
    assert registry.promoted()["style"] == "style@1"
    assert registry.promotions()[-1]["despite"] == "the old one names a closed ward"


def test_what_the_pack_found_worse_is_refused_too(registry: Registry, tmp_path: Path) -> None:
    version = registry.resolve("style@1")
    worse = scored(weights=version.card.weights_sha256)
    Registry(tmp_path / "none", tmp_path / "shipped").record_score(worse)
    assert registry.score(version) == worse
    with pytest.raises(AdapterRefused, match=r"right 0\.600 -> 0\.400"):
        registry.promote("style@1", BASE_SHA256, "Ada")


def test_a_better_evaluation_lets_it_through(registry: Registry) -> None:
    weights = registry.resolve("style@2").card.weights_sha256
    registry.record_score(scored(weights=weights))
    registry.record_score(scored("later", weights, worse=False))
    registry.promote("style@2", BASE_SHA256, "Ada")
    assert registry.promoted()["style"] == "style@2"
    assert "despite" not in registry.promotions()[-1]


def test_rolling_back_goes_back_step_by_step(registry: Registry) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    registry.promote("style@2", BASE_SHA256, "Ada")
    assert registry.rollback("style", BASE_SHA256, "Bob").label == "style@1"
    assert registry.rollback("style", BASE_SHA256, "Bob").label == "style@2", (
        "what it meant before the first promotion"
    )
    with pytest.raises(UnknownAdapter, match="no earlier"):
        registry.rollback("style", BASE_SHA256, "Bob")
    assert registry.resolve("style").label == "style@2"


def test_what_becomes_of_one_name_leaves_the_others(registry: Registry, make_adapter: MakeAdapter) -> None:
    make_adapter("brief/2")
    registry.promote("brief@1", BASE_SHA256, "Ada")
    registry.promote("style@1", BASE_SHA256, "Ada")
    assert registry.promoted() == {"brief": "brief@1", "style": "style@1"}
    registry.rollback("style", BASE_SHA256, "Bob")
    assert registry.promoted() == {"brief": "brief@1", "style": "style@2"}


def test_the_first_promotion_makes_the_folder_of_our_own(registry: Registry, tmp_path: Path) -> None:
    fresh = Registry(tmp_path / "shipped", tmp_path / "new" / "own")
    fresh.promote("style@1", BASE_SHA256, "Ada")
    assert fresh.resolve("style").label == "style@1"


def test_promoting_twice_is_rolled_back_once(registry: Registry) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    registry.promote("style@2", BASE_SHA256, "Ada")
    registry.promote("style@2", BASE_SHA256, "Ada")
    assert registry.rollback("style", BASE_SHA256, "Bob").label == "style@1"


def test_what_was_never_promoted_cannot_be_rolled_back(registry: Registry) -> None:
    for name in ("brief", "other"):
        with pytest.raises(UnknownAdapter, match="no earlier"):
            registry.rollback(name, BASE_SHA256, "Bob")


def test_only_what_passes_the_gate_is_promoted(registry: Registry) -> None:
    (registry.resolve("style@1").folder / CONFIG).write_text("{}")
    with pytest.raises(AdapterRefused, match="style/1"):
        registry.promote("style@1", BASE_SHA256, "Ada")
    with pytest.raises(AdapterRefused, match="trained for the base"):
        registry.promote("style@2", "f" * 64, "Ada")
    assert registry.resolve("style").label == "style@2"


def test_promotions_outlive_the_process_and_are_logged(registry: Registry, tmp_path: Path) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    registry.promote("style@2", BASE_SHA256, "Ada")
    registry.rollback("style", BASE_SHA256, "Bob")
    assert Registry(tmp_path / "shipped", tmp_path / "own").resolve("style").label == "style@1"
    log = [(entry["by"], entry["act"], entry["before"], entry["adapter"]) for entry in registry.promotions()]
    assert log == [
        ("Ada", "promote", "style@2", "style@1"),
        ("Ada", "promote", "style@1", "style@2"),
        ("Bob", "rollback", "style@2", "style@1"),
    ]
    assert all(datetime.fromisoformat(entry["at"]).tzinfo for entry in registry.promotions())


def test_a_failure_between_log_and_promotion_leaves_the_old_one(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    before = (tmp_path / "own" / "promoted.json").read_bytes()
    with monkeypatch.context() as patched, pytest.raises(FileNotFoundError):
        patched.setattr("ingest.durable.beside", lambda path: path.parent / "gone" / path.name)
        registry.promote("style@2", BASE_SHA256, "Ada")
    assert (tmp_path / "own" / "promoted.json").read_bytes() == before
    assert registry.promotions()[-1]["adapter"] == "style@2", "no act without its entry"
    assert Registry(tmp_path / "shipped", tmp_path / "own").resolve("style").label == "style@1"
    registry.promote("style@2", BASE_SHA256, "Ada")
    assert registry.resolve("style").label == "style@2"


def test_only_what_passes_the_gate_is_rolled_back_to(registry: Registry) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    registry.promote("style@2", BASE_SHA256, "Ada")
    (registry.resolve("style@1").folder / CONFIG).write_text("{}")
    with pytest.raises(AdapterRefused, match="style/1"):
        registry.rollback("style", BASE_SHA256, "Bob")
    assert registry.resolve("style").label == "style@2"


def test_a_number_that_the_pack_and_we_have_serves_neither(
    registry: Registry, make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    make_adapter("style/2", seed=9, root="own")
    for use in (registry.resolve, lambda label: registry.promote(label, BASE_SHA256, "Ada")):
        with pytest.raises(AdapterRefused, match=r"style@2 is there twice, .*shipped.* and our own .*own.* to 11"):
            use("style@2")
    assert registry.resolve("style@1").label == "style@1", "the others still serve"
    assert [one.label for one in registry.all()].count("style@2") == 2, "both are listed"
    (tmp_path / "own" / "style" / "2").rename(tmp_path / "own" / "style" / "11")
    assert registry.verified("style@2", BASE_SHA256).folder == str(tmp_path / "shipped" / "style" / "2")


def test_the_base_that_serves_is_looked_into(registry: Registry, tmp_path: Path) -> None:
    fitting = write_base(tmp_path / "fitting.gguf", SHAPES)
    looking = Registry(tmp_path / "shipped", tmp_path / "own", BaseFile(fitting, tmp_path))
    assert looking.verified("style", BASE_SHA256).name == registry.verified("style", BASE_SHA256).name
    wider = {name: (outputs, 2 * inputs) for name, (outputs, inputs) in SHAPES.items()}
    other = write_base(tmp_path / "other.gguf", wider)
    registry.promote("style@1", BASE_SHA256, "Ada")
    wrong = Registry(tmp_path / "shipped", tmp_path / "own", BaseFile(other, tmp_path))
    for act in (
        lambda: wrong.verified("style", BASE_SHA256),
        lambda: wrong.promote("style", BASE_SHA256, "Ada"),
        lambda: wrong.rollback("style", BASE_SHA256, "Ada"),
    ):
        with pytest.raises(AdapterRefused, match=r"has the shape 4 x 64, expected 4 x 128"):
            act()


def test_a_promoted_version_that_is_gone_is_not_replaced_in_silence(registry: Registry) -> None:
    folder = registry.promote("style@2", BASE_SHA256, "Ada").folder
    shutil.rmtree(folder)
    with pytest.raises(UnknownAdapter, match="no adapter 'style@2'"):
        registry.resolve("style")


def test_a_verified_adapter_can_be_loaded(registry: Registry) -> None:
    weights = registry.verified("style", BASE_SHA256)
    assert weights.name == "style@2"
    assert weights.sha256 == file_sha256(Path(weights.folder) / "adapter_model.safetensors")


def test_a_trained_adapter_becomes_the_next_version_and_is_not_promoted(
    registry: Registry, make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    trained = make_adapter("style/trained", seed=5, root="work")
    added = registry.add("style", trained)
    assert added.label == "style@11"
    assert added.folder == tmp_path / "own" / "style" / "11"
    assert registry.resolve("style").label == "style@1"
    assert registry.verified("style@11", BASE_SHA256).name == "style@11"
    assert registry.add("fresh", make_adapter("fresh/trained", root="work")).label == "fresh@1"


def test_what_a_killed_process_left_does_not_stand_in_the_way(
    registry: Registry, make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    (tmp_path / "own" / "style" / f".11.{os.getpid()}").mkdir()
    assert registry.add("style", make_adapter("style/trained", root="work")).label == "style@11"


def test_what_cannot_be_copied_whole_is_not_added(
    registry: Registry, make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    trained = make_adapter("style/trained", root="work")
    (trained / "lost").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="lost"):
        registry.add("style", trained)
    assert [path.name for path in (tmp_path / "own" / "style").iterdir()] == ["10"]


def test_another_names_adapter_is_not_added(registry: Registry, make_adapter: MakeAdapter) -> None:
    with pytest.raises(AdapterRefused, match="is 'brief' by its card, not 'style'"):
        registry.add("style", make_adapter("brief/trained", root="work"))
    assert len(registry.all()) == 4


@pytest.mark.parametrize("name", ["", "Style", "style@2", "../style", "a/b", ".hidden", "x" * 65])
def test_a_name_that_could_not_be_asked_for_is_refused(
    registry: Registry, make_adapter: MakeAdapter, name: str
) -> None:
    with pytest.raises(UnknownAdapter, match="no adapter name"):
        registry.add(name, make_adapter("trained", root="work"))
    assert len(registry.all()) == 4


@pytest.mark.parametrize("content", ["", '{"style": ["style@1"', '["style@1"]', '{"style": "style@1"}', "\x00"])
def test_a_damaged_record_of_promotions_is_not_guessed_at(registry: Registry, tmp_path: Path, content: str) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    (tmp_path / "own" / "promoted.json").write_text(content)
    for act in (
        registry.promoted,
        lambda: registry.resolve("style"),
        lambda: registry.rollback("style", "", "Ada"),
    ):
        with pytest.raises(AdapterRefused, match=r"promoted\.json is damaged"):
            act()


def test_a_number_is_not_given_again_once_its_folder_is_gone(registry: Registry, make_adapter: MakeAdapter) -> None:
    """Whoever loaded, promoted or evaluated the old one knows it by this label."""
    trained = make_adapter("style/trained", seed=5, root="work")
    shutil.rmtree(registry.promote("style@10", BASE_SHA256, "Ada").folder)
    assert registry.add("style", trained).label == "style@11"
    with pytest.raises(UnknownAdapter, match="style@10"):
        registry.resolve("style")
    registry.promote("style@1", BASE_SHA256, "Ada")
    rolled_back = registry.promote("style@11", BASE_SHA256, "Ada").folder
    registry.rollback("style", BASE_SHA256, "Ada")
    shutil.rmtree(rolled_back)
    evaluated = registry.add("style", trained)
    assert evaluated.label == "style@12"
    registry.record_score(scored().model_copy(update={"adapter": evaluated.label}))
    shutil.rmtree(evaluated.folder)
    assert registry.add("style", trained).label == "style@13"
    assert registry.add("brief", make_adapter("brief/trained", root="work")).label == "brief@2"


@pytest.mark.parametrize("place", ["own/promoted.json", "own/promotions.jsonl", "shipped/scores.jsonl"])
def test_a_damaged_log_does_not_lose_what_was_trained(
    registry: Registry, make_adapter: MakeAdapter, tmp_path: Path, place: str
) -> None:
    (tmp_path / place).write_bytes(b'\xff{"adapter": "style@20"\n{')
    assert registry.add("style", make_adapter("style/trained", root="work")).label == "style@21"


def test_what_was_promoted_with_a_damaged_log_is_not_guessed_at(registry: Registry, tmp_path: Path) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    registry.promote("style@2", BASE_SHA256, "Ada")
    (tmp_path / "own" / "promotions.jsonl").write_text("{\n{}\n")
    for act in (
        registry.promotions,
        lambda: registry.verified("style", BASE_SHA256),
        lambda: registry.rollback("style", BASE_SHA256, "Ada"),
    ):
        with pytest.raises(AdapterRefused, match=r"What was promoted is unknown: .*promotions\.jsonl, line 1"):
            act()
    assert registry.verified("style@1", BASE_SHA256).name == "style@1", "by its number another one can be loaded"


def test_trainings_that_end_at_once_each_get_a_number(registry: Registry, make_adapter: MakeAdapter) -> None:
    trained = make_adapter("style/trained", root="work")
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda _: registry.add("style", trained), range(8)))
    assert sorted(one.version for one in added) == list(range(11, 19))
    assert all(one.card.name == "style" for one in added)


def test_a_bare_name_means_the_weights_that_were_promoted(
    registry: Registry, make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    """The pack was upgraded and ships our number; ours is renamed as told, and not promoted under its new one."""
    ours = registry.promote("style@10", BASE_SHA256, "Ada").folder
    make_adapter("style/10", seed=9)
    with pytest.raises(AdapterRefused, match=r"to 11, .* and promote style@11 then, if our own was the promoted"):
        registry.resolve("style")
    ours.rename(ours.with_name("11"))
    for label in ("style", "style@10", "style*0.5"):
        with pytest.raises(
            AdapterRefused, match=r"style@10 was promoted with the weights .* adapters promote style@10"
        ):
            registry.verified(label, BASE_SHA256)
    registry.promote("style@11", BASE_SHA256, "Ada")
    assert registry.verified("style", BASE_SHA256).name == "style@11"
    assert registry.verified("style@10", BASE_SHA256).name == "style@10", (
        "the shipped one can be evaluated before it is promoted"
    )
    with pytest.raises(AdapterRefused, match="style@10 was promoted with"):
        registry.rollback("style", BASE_SHA256, "Ada")
    shipped = registry.promote("style@10", BASE_SHA256, "Ada").folder
    assert registry.verified("style", BASE_SHA256).name == "style@10"
    shutil.rmtree(shipped)
    ours.with_name("11").rename(ours)
    with pytest.raises(AdapterRefused, match="style@10 was promoted with"):
        registry.verified("style", BASE_SHA256)


def test_promotions_of_earlier_releases_tell_no_weights(registry: Registry, tmp_path: Path) -> None:
    registry.promote("style@1", BASE_SHA256, "Ada")
    log = tmp_path / "own" / "promotions.jsonl"
    old = {key: value for key, value in json.loads(log.read_text()).items() if key != "weights_sha256"}
    log.write_text(json.dumps(old) + "\n")
    assert registry.verified("style", BASE_SHA256).name == "style@1"
