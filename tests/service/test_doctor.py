from pathlib import Path

from configs.load import HOSPITAL, load_settings
from service.doctor import Finding, examine


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
