import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError

from configs.load import HOSPITAL, load_settings
from configs.settings import Settings
from ingest.library import open_library
from ingest.vectors import VectorIndex
from service.build import load_prompts
from service.doctor import (
    PROBLEMS,
    Finding,
    adapter,
    emergencies,
    examine,
    experiments,
    finding,
    library_and_index,
    prompt,
    scrubbed,
)
from tests.ingest.samples import make_document, put
from tests.service.test_build import ADAPTER_OFF, ARMS, experiment, settings_in


def examined(folder: Path, **environment: str) -> dict[str, Finding]:
    values = {"TRIPTYCH__DATA__FOLDER": str(folder), "TRIPTYCH__SERVER__PORT": "0", **environment}
    return {found.part: found for found in examine(load_settings(HOSPITAL, values).settings)}


def test_a_fresh_hospital_lacks_nothing_but_its_documents(tmp_path: Path) -> None:
    found = examined(tmp_path)
    assert found.pop("library and index").detail == (
        "There are no documents in 'hospital' yet. Run `triptych ingest sync`."
    )
    assert {part: one.detail for part, one in found.items() if not one.ok} == {}
    assert found["ranker"].detail == "reads the best 3 passages"
    assert found["embedder"].detail == "hash as expected, with the adapter search/1"


def test_what_is_wrong_is_told_of_each_part(tmp_path: Path) -> None:
    found = examined(
        tmp_path,
        TRIPTYCH__RANKER__ADAPTER=str(tmp_path / "ranker" / "1"),
        TRIPTYCH__ENGINE__BASE__SHA256="a" * 64,
        TRIPTYCH__LAYERS__PROMPT__NAME="house@7",
        TRIPTYCH__LAYERS__ADAPTER__NAME="nobody",
    )
    wrong = {part: one.detail for part, one in found.items() if not one.ok}
    assert wrong.keys() == {"base model", "ranker", "prompt", "adapter", "library and index"}
    assert "ranker.adapter cannot act" in wrong["ranker"]
    assert "is not the expected model" in wrong["base model"]
    assert "house@7" in wrong["prompt"]


def with_prompts(folder: Path, **environment: str) -> Settings:
    """The hospital's, with a copy of its prompts that can be edited."""
    prompts = shutil.copytree(HOSPITAL.parent / "prompts", folder / "prompts", dirs_exist_ok=True)
    return load_settings(HOSPITAL, {"TRIPTYCH__LAYERS__PROMPT__FOLDER": str(prompts), **environment}).settings


def test_a_draft_beside_the_prompt_is_told_as_the_start_tells_it(tmp_path: Path) -> None:
    settings = with_prompts(tmp_path)
    folder, name = settings.layers.prompt.folder, settings.layers.prompt.name
    (folder / "house.v1 (copy).jinja").write_text("{% block")
    assert prompt(settings).startswith("house@1, ")
    assert [*load_prompts(folder, name)] == ["house@1"]
    (folder / "house.v2.jinja").write_text(
        "{% block system %}{{ oops }}{% endblock %}{% block user %}{% endblock %}"
    )
    for start in (lambda: prompt(settings), lambda: load_prompts(folder, name)):
        with pytest.raises(PROBLEMS, match=r"house\.v2\.jinja cannot be rendered: 'oops' is undefined"):
            start()


def test_a_prompt_with_another_sentence_than_the_guards_is_told(tmp_path: Path) -> None:
    assert "no_answer" not in prompt(with_prompts(tmp_path))
    other = with_prompts(tmp_path, TRIPTYCH__GUARD__NO_ANSWER="Ask at 555-0177.")
    assert "lacks guard.no_answer ('Ask at 555-0177.')" in prompt(other)


def test_emergency_rules_and_examples_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    good, broken = settings_in(tmp_path), tmp_path / "broken.yaml"
    assert "rules, " in emergencies(good)
    broken.write_text("rules: []", encoding="utf-8")
    for name, told in (("emergencies", "handoffs: Field required"), ("examples", "harmless: Field required")):
        guard = good.guard.model_copy(update={name: broken})
        with pytest.raises(PROBLEMS, match=f"{told}[^\\n]*$"):
            emergencies(good.model_copy(update={"guard": guard}))


def test_arms_of_experiments_that_are_not_there_are_told(tmp_path: Path) -> None:
    def configured(*, active: bool = True, **arm: Any) -> Any:
        one = experiment(factor="prompt", active=active, arms=[ARMS[0], {"name": "other", "share": 0.5, **arm}])
        return settings_in(tmp_path, **ADAPTER_OFF, experiments=[one])

    (tmp_path / "data").mkdir()
    assert experiments(settings_in(tmp_path)) == "none"
    assert experiments(configured(value="off")) == "1 of 1 started, every arm is there"
    assert experiments(configured(value="house@99", active=False)) == "0 of 1 started, every arm is there"
    with pytest.raises(PROBLEMS, match="house@99"):
        experiments(configured(value="house@99"))
    with pytest.raises(PROBLEMS, match="tone@2"):
        adapter(settings_in(tmp_path, **ADAPTER_OFF, experiments=[experiment()]))


def test_a_chroma_server_that_is_away_is_told(tmp_path: Path, model_folder: Path) -> None:
    place = {"TRIPTYCH__INDEX__KIND": "server", "TRIPTYCH__INDEX__HOST": "127.0.0.1", "TRIPTYCH__INDEX__PORT": "1"}
    settings = load_settings(HOSPITAL, {"TRIPTYCH__DATA__FOLDER": str(tmp_path), **place}).settings
    told = finding("library and index", library_and_index, settings)
    assert not told.ok
    assert told.detail.startswith("The Chroma server at 127.0.0.1:1 does not answer")


def test_a_chroma_server_that_goes_away_in_the_middle_is_told(tmp_path: Path) -> None:
    with (
        closing(open_library(None, tmp_path)) as library,
        closing(VectorIndex.open_server("127.0.0.1", 1, library)) as index,
        pytest.raises(PROBLEMS, match=r"^The Chroma server at 127\.0\.0\.1:1 does not answer"),
    ):
        scrubbed(index, library.ensure_collection("docs", "f").id)


def test_a_library_that_cannot_be_read_is_told_without_the_statement(tmp_path: Path) -> None:
    def check(_: Settings) -> str:
        raise DatabaseError("SELECT secret", {}, sqlite3.DatabaseError("database disk image is malformed"))

    told = finding("library", check, settings_in(tmp_path))
    assert "malformed" in told.detail
    assert "secret" not in told.detail


def test_changes_that_the_index_refuses_are_told(tmp_path: Path, model_folder: Path) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "data").mkdir()
    with closing(open_library(None, settings.data.folder)) as library:
        # As earlier versions took it.
        put(library, library.ensure_collection("my docs", "f").id, make_document("a.md", "one"))
    with pytest.raises(PROBLEMS, match="1 of 'my docs'"):
        library_and_index(settings)


def test_an_index_that_no_rebuild_makes_whole_is_told(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "data").mkdir()
    with closing(open_library(None, settings.data.folder)) as library:
        ids = put(library, library.ensure_collection("hospital", "f").id, make_document("a.md", "one", "two"))
    assert library_and_index(settings) == "1 documents, every vector found"
    rebuild = VectorIndex.rebuild

    def in_vain(index: VectorIndex, collection_id: str) -> None:
        rebuild(index, collection_id)
        index._collection(collection_id).delete(ids=ids[:1])

    monkeypatch.setattr(VectorIndex, "rebuild", in_vain)
    shutil.rmtree(settings.data.folder / "index")
    with pytest.raises(PROBLEMS, match=f"even made anew.*missing={re.escape(repr((ids[0],)))}.*Searches are exact"):
        library_and_index(settings)
