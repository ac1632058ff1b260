"""Settings: the order of their origins, and every error at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from configs.load import DEFAULTS, HOSPITAL, ConfigurationError, load_settings
from configs.settings import Settings

IMPORTS_OPENVINO = """
import sys
from configs.load import stay_offline

seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event in ("os.fork", "socket.connect") else None)
stay_offline()
import openvino.tools.ovc as ovc

print(type(ovc.telemetry).__module__, seen)
"""
YAMLS = [HOSPITAL, *sorted(DEFAULTS.parent.glob("*.yaml"))]


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.name)
def test_every_shipped_file_loads(path: Path) -> None:
    assert load_settings(path, {}).settings.layers.prompt.switch == "on"


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("server: {port: 1, host: 0.0.0.0}\n")
    loaded = load_settings(file, {"TRIPTYCH__SERVER__PORT": "2", "OTHER": "x"})
    assert (loaded.settings.server.port, loaded.settings.server.host) == (2, "0.0.0.0")
    assert loaded.origins["server", "port"] == "environment"
    assert loaded.origins["server", "host"] == str(file)
    assert loaded.origins["server", "heartbeat_seconds"] == str(DEFAULTS)


def test_a_bare_yaml_switch_is_a_switch(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("layers: {adapter: {switch: off}, prompt: {switch: 'on'}}\n")
    layers = load_settings(file, {}).settings.layers
    assert (layers.adapter.switch, layers.prompt.switch) == ("off", "on")


def test_relative_paths_start_at_the_folder_of_their_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "documents: [texts]\nembedder: {adapter: search/1}\nranker: {adapter: ranker/1}\n"
        "guard: {emergencies: alarm.yaml, examples: said.yaml}\n"
    )
    settings = load_settings(file, {}).settings
    assert settings.documents == (tmp_path / "texts",)
    assert settings.embedder.adapter == tmp_path / "search/1"
    assert settings.ranker.adapter == tmp_path / "ranker/1"
    assert settings.guard.emergencies == tmp_path / "alarm.yaml"
    assert settings.guard.examples == tmp_path / "said.yaml"


def test_relative_places_of_models_start_there_too_but_not_those_of_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "embedder: {model: 'file:embedder'}\nranker: {model: 'file:~/ranker.gguf'}\n"
        "engine: {base: {model: 'file:../base.gguf'}, openai: {shared: {folder: share, seen_as: /s}}}\n"
    )
    settings = load_settings(file, {}).settings
    assert settings.embedder.model == f"file:{tmp_path}/embedder"
    assert settings.ranker.model == "file:~/ranker.gguf"
    assert settings.engine.base.model == f"file:{tmp_path}/../base.gguf"
    assert settings.engine.openai.shared and settings.engine.openai.shared.folder == tmp_path / "share"
    file.write_text("engine: {base: {model: 'file:/models/base.gguf'}}\nembedder: {model: 'hub:me/e@main'}\n")
    settings = load_settings(file, {"TRIPTYCH__RANKER__MODEL": "file:ranker.gguf"}).settings
    assert settings.engine.base.model == "file:/models/base.gguf"
    assert (settings.embedder.model, settings.ranker.model) == ("hub:me/e@main", "file:ranker.gguf")


def test_all_errors_are_told_at_once_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("server: {port: many}\nlayers: {prompts: {}}\nengine: {kind: magic}\n")
    with pytest.raises(ConfigurationError) as error:
        load_settings(file, {"TRIPTYCH__SAMPLING__TOP_P": "2"})
    text = str(error.value)
    for part in ("server.port", "layers.prompts", "engine.kind", "sampling.top_p", str(file), "environment"):
        assert part in text


def test_the_place_of_a_misspelt_section_and_of_what_lacks_in_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("layers: {promt: {switch: off}}\nengine: {openai: {shared: {folder: x}}}\n")
    with pytest.raises(ConfigurationError) as error:
        load_settings(file, {"TRIPTYCH__SERVERS__PORT__NUMBER": "1"})
    for line in (f"layers.promt ({file}): ", f"engine.openai.shared.seen_as ({file}): ", "servers (environment): "):
        assert f"\n  {line}" in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a list\n", "expected keys and values"),
        ("a: [1\n", "not valid YAML"),
        ("layers: {}\nlayers: {adapter: {switch: off}}\n", "'layers' stands twice"),
    ],
)
def test_a_file_that_is_no_settings_file(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        load_settings(file, {})


@pytest.mark.parametrize("secret", ["abc #def", "@s3cret", "%x", "12345678", "null #", " a: b ", "on", "'x'"])
def test_a_text_from_the_environment_is_taken_as_it_is(secret: str) -> None:
    names = ("SERVER__ADMIN_KEY", "ENGINE__OPENAI__API_KEY", "LIBRARY__URL", "GUARD__NO_ANSWER")
    settings = load_settings(None, {f"TRIPTYCH__{name}": secret for name in names}).settings
    for key in (settings.server.admin_key, settings.engine.openai.api_key):
        assert key is not None and key.get_secret_value() == secret
    assert settings.library.url == settings.guard.no_answer == secret


def test_an_empty_variable_counts_as_not_set_and_null_as_none(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("library: {url: 'postgresql://u@h/d'}\nserver: {admin_key: kept}\n")
    names = ("TRIPTYCH__LIBRARY__URL", "TRIPTYCH__SERVER__ADMIN_KEY", "TRIPTYCH__SERVER__PORT", "TRIPTYCH_CONFIG")
    settings = load_settings(file, dict.fromkeys(names, "")).settings
    assert settings.library.url == "postgresql://u@h/d"
    assert settings.server.admin_key and settings.server.admin_key.get_secret_value() == "kept"
    assert load_settings(file, {"TRIPTYCH__LIBRARY__URL": "null"}).settings.library.url is None
    folder = load_settings(file, {"TRIPTYCH__DATA__FOLDER": "/srv/a #b"}).settings.data.folder
    assert folder == Path("/srv/a #b")
    assert load_settings(None, {"TRIPTYCH_CONFIG": ""}).settings == load_settings(HOSPITAL, {}).settings


SECRET = "5550100"
TWO_ON_ONE_LAYER = "{key: k%d, factor: adapter, seed: s, coverage: 1, active: true, arms: [%s, %s]}"
HALVES = ("{name: a, value: off, share: 0.5}", "{name: b, value: on, share: 0.5}")


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        (f"server: {{admin_key: {SECRET}}}", {}),
        (f"engine: {{openai: {SECRET}}}", {}),
        (f"server: {{admin_key: [{SECRET}]}}", {}),
        (f"server: {{admin_key: @{SECRET}}}", {}),
        ("", {"TRIPTYCH__SERVER__ADMIN_KEYS": SECRET}),
        ("", {"TRIPTYCH__SERVER__ADMIN_KEYS": f"@{SECRET}"}),
        ("", {"TRIPTYCH__SERVER": SECRET}),
        (
            f"server: {{admin_key: '{SECRET}'}}\n"
            f"experiments: [{TWO_ON_ONE_LAYER % (1, *HALVES)}, {TWO_ON_ONE_LAYER % (2, *HALVES)}]",
            {},
        ),
    ],
)
def test_no_error_shows_a_secret(tmp_path: Path, text: str, environment: dict[str, str]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, environment)
    assert SECRET not in str(caught.value)


def test_a_variable_that_is_no_yaml_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"TRIPTYCH__SERVER__PORT \(environment\): not valid YAML"):
        load_settings(None, {"TRIPTYCH__SERVER__PORT": "[80"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml"):
        load_settings(tmp_path / "nothing.yaml", {})


ARMS = "arms: [{name: a, value: off, share: 0.5}, {name: b, value: on, share: %s}]"


def test_shares_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    one = "{key: k, factor: adapter, seed: s, coverage: 1, active: true, " + ARMS % "0.4" + "}"
    file.write_text(f"experiments: [{one}]\n")
    with pytest.raises(ConfigurationError, match=r"add up to 0\.9"):
        load_settings(file, {})


INTERLEAVED = "{key: k, factor: %s, seed: s, coverage: 1, active: true, interleave: on, arms: [%s]}"
ARM = "{name: %s, value: %s, share: %s}"


def test_two_collections_can_be_interleaved(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    arms = f"{ARM % ('a', 'on', 0.5)}, {ARM % ('b', 'fine', 0.5)}"
    file.write_text(f"experiments: [{INTERLEAVED % ('retrieval', arms)}]\n")
    assert load_settings(file, {}).settings.experiments[0].interleave


@pytest.mark.parametrize(
    ("factor", "arms"),
    [
        ("adapter", [("a", "on", 0.5), ("b", "fine", 0.5)]),
        ("retrieval", [("a", "on", 0.5), ("b", "off", 0.5)]),
        ("retrieval", [("a", "fine", 0.5), ("b", "fine", 0.5)]),
        ("retrieval", [("a", "on", 0.6), ("b", "fine", 0.4)]),
        ("retrieval", [("a", "on", 0.5), ("b", "fine", 0.5), ("c", "rough", 0)]),
    ],
)
def test_what_cannot_be_interleaved_is_refused(
    tmp_path: Path, factor: str, arms: list[tuple[str, str, float]]
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"experiments: [{INTERLEAVED % (factor, ', '.join(ARM % arm for arm in arms))}]\n")
    with pytest.raises(ConfigurationError, match=r"two collections or searches at a share of 0\.5 each"):
        load_settings(file, {})


def searches(folder: Path, text: str) -> Settings:
    file = folder / "settings.yaml"
    file.write_text(f"layers: {{retrieval: {{collection: house, searches: {text}}}}}\n")
    return load_settings(file, {}).settings


def test_another_search_names_only_what_differs(tmp_path: Path) -> None:
    found = searches(tmp_path, "{words: {dense_weight: 0.2, ranker: off}}").layers.retrieval.searches["words"]
    assert found.model_dump(exclude_none=True) == {"dense_weight": 0.2, "ranker": "off"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{house: {passages: 1}}", "house is the collection's own name"),
        ("{words: {dense_wait: 0.2}}", "dense_wait"),
        ("{words: {passages: 0}}", "greater than 0"),
        ("{Words: {passages: 1}}", "pattern"),
    ],
)
def test_a_search_that_means_nothing_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        searches(tmp_path, text)


def test_two_active_experiments_on_one_layer_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    one = "{key: k%d, factor: adapter, seed: s, coverage: 1, active: true, " + ARMS % "0.5" + "}"
    file.write_text(f"experiments: [{one % 1}, {one % 2}]\n")
    with pytest.raises(ConfigurationError, match="more than one active experiment on adapter"):
        load_settings(file, {})


ON_LAYER = "{key: %s, factor: %s, seed: %s, coverage: 1, active: %s, " + ARMS % "0.5" + "}"


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (("k", "adapter", "a", "true"), ("k", "prompt", "p", "true"), "more than one experiment with the key k;"),
        (("k", "adapter", "a", "true"), ("k", "adapter", "b", "false"), "more than one experiment with the key k;"),
        (
            ("k", "adapter", "a", "true"),
            ("m", "prompt", "a", "true"),
            "one seed for the active experiments k and m:",
        ),
    ],
)
def test_experiments_that_would_be_taken_for_one_are_refused(
    tmp_path: Path, one: tuple[str, ...], other: tuple[str, ...], told: str
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"experiments: [{ON_LAYER % one}, {ON_LAYER % other}]\n")
    with pytest.raises(ConfigurationError, match=told):
        load_settings(file, {})


def test_a_stopped_experiment_may_have_the_seed_of_an_active_one(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    two = ON_LAYER % ("k", "adapter", "a", "false"), ON_LAYER % ("m", "prompt", "a", "true")
    file.write_text(f"experiments: [{', '.join(two)}]\n")
    assert len(load_settings(file, {}).settings.experiments) == 2


def test_two_arms_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"experiments: [{ON_LAYER % ('k', 'adapter', 's', 'true')}]\n".replace("name: b", "name: a"))
    with pytest.raises(ConfigurationError, match="more than one arm is named a;"):
        load_settings(file, {})


DATED = "{key: k%s, factor: adapter, seed: s, coverage: 1, active: true, " + ARMS % "0.5" + ", %s}"


@pytest.mark.parametrize(
    "slots",
    [
        ("namespace: [n, 0, 0.5]", "namespace: [n, 0.5, 1]"),
        ("ends: 2026-12-01T00:00:00Z", "starts: 2026-12-01T00:00:00Z, ends: 2026-12-09T00:00:00Z"),
    ],
)
def test_two_that_nobody_can_be_in_at_once_may_be_active(tmp_path: Path, slots: tuple[str, str]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"experiments: [{', '.join(DATED % (number, slot) for number, slot in enumerate(slots))}]\n")
    first, second = load_settings(file, {}).settings.experiments
    assert first.slot.apart_from(second.slot)


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        ("namespace: [n, 0.5, 0.5]", "part of the namespace 'n' is empty"),
        ("namespace: [n, 0, 1.5]", "less than or equal to 1"),
        ("starts: 2026-12-09T00:00:00Z, ends: 2026-12-01T00:00:00Z", "it ends before it starts"),
        ("starts: 2026-12-09T00:00:00", "timezone"),
        ("only: {language: []}", "at least 1 item"),
        ("only: {language: [no]}", "valid string"),
        ("only: {4 West: [yes]}", "match pattern"),
        ("min_bucket_version: 1", "min_bucket_version 1 is above bucket_version 0"),
        ("sticky: off, bucket_version: 1, min_bucket_version: 1", "expected sticky: on"),
    ],
)
def test_an_experiment_that_nobody_could_be_in_is_refused(tmp_path: Path, slot: str, message: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"experiments: [{DATED % (1, slot)}]\n")
    with pytest.raises(ConfigurationError, match=message):
        load_settings(file, {})


def test_an_experiment_is_sticky_and_takes_everybody_unless_it_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    named = "only: {language: [en, es]}, sticky: off, bucket_version: 2"
    file.write_text(f"experiments: [{DATED % (1, 'namespace: [n, 0, 0.5]')}, {DATED % (2, named)}]\n")
    with pytest.raises(ConfigurationError, match="more than one active experiment"):
        load_settings(file, {})
    file.write_text(file.read_text().replace("active: true", "active: false"))
    plain, other = load_settings(file, {}).settings.experiments
    assert (plain.sticky, plain.bucket_version, plain.slot.takes({})) == (True, 0, True)
    assert (other.sticky, other.bucket_version) == (False, 2)
    assert [other.slot.takes({"language": one}) for one in ("en", "es", "fr")] == [True, True, False]


def test_a_mapping_replaces_an_empty_one(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("engine: {openai: {adapters: {house-style@1: served}}}\n")
    assert load_settings(file, {}).settings.engine.openai.adapters == {"house-style@1": "served"}


def test_openvino_sends_nothing_and_forks_nothing() -> None:
    told = subprocess.run([sys.executable, "-c", IMPORTS_OPENVINO], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "[]"]
