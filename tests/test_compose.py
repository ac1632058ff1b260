"""docker-compose.yml, checked by a parser: there is no engine on a test machine. And how image and make start."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.load import load_settings
from ingest.commands import NOT_REACHABLE, SOME_FAILED, WRONG_USE

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def test_the_default_profile_is_the_service_alone(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "profiles" not in service] == ["triptych"]


def test_every_service_has_a_healthcheck_and_comes_back(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


def test_every_named_volume_is_declared(compose: dict[str, Any]) -> None:
    mounts = [mount for service in compose["services"].values() for mount in service["volumes"]]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith((".", "/", "$"))}
    assert named == set(compose["volumes"])


def test_only_the_service_is_reached_from_outside_and_only_from_this_machine(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports") for name, service in compose["services"].items()}
    assert ports.pop("triptych") == ["127.0.0.1:8000:8000"]
    assert not any(ports.values())


def test_the_environment_fits_the_settings(compose: dict[str, Any]) -> None:
    environment = compose["services"]["triptych"]["environment"]
    values = {key: str(value) for key, value in environment.items() if key.startswith("TRIPTYCH__")}
    unset = {key: "" if value.startswith("${") else value for key, value in values.items()}
    settings = load_settings(None, unset).settings
    assert settings.library.url is None
    assert settings.server.host == "0.0.0.0"


def test_what_is_not_set_outside_leaves_the_file_as_it_is(compose: dict[str, Any]) -> None:
    environment = compose["services"]["triptych"]["environment"]
    unset = {key: "" for key, value in environment.items() if str(value).endswith(":-}")}
    assert set(unset) == {"TRIPTYCH__LIBRARY__URL", "TRIPTYCH__ENGINE__OPENAI__API_KEY"}
    path = ROOT / "configs" / "scaleout.yaml"
    assert load_settings(path, unset).settings == load_settings(path, {}).settings


def test_scaleout_names_the_services_of_the_compose_file(compose: dict[str, Any]) -> None:
    settings = load_settings(ROOT / "configs" / "scaleout.yaml", {}).settings
    assert settings.index.host in compose["services"]
    assert settings.engine.openai.url.split("/")[2].split(":")[0] in compose["services"]
    assert f"@{settings.library.url}".split("@")[-1].split("/")[0] in compose["services"]
    served = [argument for argument in compose["services"]["vllm"]["command"] if "lora-modules" in argument]
    assert served == ["--lora-modules=house-style-2=/adapters/house-style/2"]
    assert list(settings.engine.openai.adapters.values()) == ["house-style-2"]


def test_the_service_and_the_model_server_share_the_folder_of_adapters(compose: dict[str, Any]) -> None:
    shared = load_settings(ROOT / "configs" / "scaleout.yaml", {}).settings.engine.openai.shared
    assert shared is not None
    assert f"served:{shared.folder}" in compose["services"]["triptych"]["volumes"]
    assert f"served:{shared.seen_as}:ro" in compose["services"]["vllm"]["volumes"]
    assert compose["services"]["vllm"]["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"


def test_the_image_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER triptych" in lines
    assert lines.index("USER triptych") > max(i for i, line in enumerate(lines) if line.startswith("RUN"))


def test_a_new_volume_for_data_is_empty_and_private() -> None:
    """Or `triptych restore` would refuse it: a new volume gets what the image has there."""
    image = (ROOT / "Dockerfile").read_text()
    useradd = next(line for line in image.splitlines() if "useradd" in line and not line.startswith("#"))
    assert "--no-create-home" in useradd and "--create-home" not in useradd.replace("--no-create-home", "")
    assert "install -d -m 700 -o triptych /data" in image
    assert "VOLUME /data" in image


FAKE = """#!/bin/sh
echo $* >> {log}
[ "$1" = ingest ] && exit {code}
exit 0
"""
SYNC, SERVE = "ingest sync", "serve"


def started(folder: Path, code: int, *command: str) -> tuple[int, list[str]]:
    """The exit code of a command, and how it called a `triptych` whose sync ends with `code`."""
    log = folder / "calls"
    (folder / "triptych").write_text(FAKE.format(log=log, code=code))
    (folder / "triptych").chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    return finished.returncode, log.read_text().splitlines()


@pytest.mark.parametrize("code", [0, SOME_FAILED])
def test_the_image_serves_where_all_or_some_files_came_in(tmp_path: Path, code: int) -> None:
    assert started(tmp_path, code, *image_command()) == (0, [SYNC, SERVE])


@pytest.mark.parametrize("code", [1, WRONG_USE, NOT_REACHABLE, 137])
def test_the_image_stops_with_the_code_of_any_other_failure(tmp_path: Path, code: int) -> None:
    assert started(tmp_path, code, *image_command()) == (code, [SYNC])


@pytest.mark.parametrize(("target", "then"), [("run", SERVE), ("demo", "demo")])
@pytest.mark.parametrize("code", [0, 1, SOME_FAILED, WRONG_USE, NOT_REACHABLE])
def test_so_does_make(tmp_path: Path, target: str, then: str, code: int) -> None:
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    # -o: what is installed stays as it is.
    ended, calls = started(tmp_path, code, "make", "-o", ".venv/.run", target, f"BIN={tmp_path}")
    good = code in (0, SOME_FAILED)
    assert (ended == 0, calls) == (good, [SYNC, then] if good else [SYNC])


def image_command() -> list[str]:
    line = (ROOT / "Dockerfile").read_text().splitlines()[-1]
    command: list[str] = json.loads(line.removeprefix("CMD "))
    return command
