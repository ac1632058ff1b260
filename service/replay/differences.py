"""What differs between two answers by all that their manifests record, each in a sentence of its own."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.plan import Factor
from service.replay.passages import Shown, by_id, by_place, passage_sentences

SHORT = 12
WAYS = {
    "model": "the model answered",
    "emergency": "the emergency hand-off was given",
    "no_sources": "nothing was found and the fixed text was given",
}


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: its text, and its manifest as it is stored. Old manifests lack what was recorded later."""

    text: str
    manifest: Mapping[str, Any]

    @property
    def path(self) -> str:
        return str(self.manifest["path"])

    def acted(self, factor: Factor) -> str | None:
        name: str | None = self.manifest["acted"][factor]
        return name


@dataclass(frozen=True, slots=True)
class Difference:
    """`part` is what differs: path, history, a layer, passages, base, engine, sampling, text or tokens."""

    part: str
    sentence: str


def differences(
    then: Told, now: Told, switched: Collection[Factor], became: Callable[[Shown], str]
) -> list[Difference]:
    """What differs and was not switched; `became` tells the fate of a passage that is not shown any more."""
    found = [*of_path(then, now), *of_history(then, now)]
    if then.acted("retrieval") and now.acted("retrieval"):
        found += of_search(then, now)
        found += [] if "retrieval" in switched else of_retrieval(then, now, became)
    if then.path == now.path == "model":
        found += of_weights(then, now, switched)
    return found or list(unrecorded(then, now, switched))


def of_path(then: Told, now: Told) -> Iterator[Difference]:
    """How the answer came about, and the fixed texts."""
    rules = [one.manifest.get("rule") for one in (then, now)]
    if then.path != now.path:
        yield Difference("path", f"Then {WAYS[then.path]}; now {WAYS[now.path]}.")
    elif rules[0] != rules[1]:
        yield Difference("path", f"The emergency rule {rules[0]} matched then, {rules[1]} matches now.")
    elif then.path == "emergency" and then.text != now.text:
        yield Difference("text", f"The hand-off of the emergency rule {rules[0]} was edited.")
    elif then.path == "no_sources" and then.text != now.text:
        yield Difference("text", "The fixed text for questions without sources (guard.no_answer) was edited.")


def of_history(then: Told, now: Told) -> Iterator[Difference]:
    """Earlier turns that are not kept: by their number, else by what was searched for."""
    if "emergency" in (then.path, now.path):
        return
    had, has = then.manifest.get("turns"), now.manifest["turns"]
    searched = [one.manifest.get("search_query") for one in (then, now)]
    if had is not None and had != has:
        yield Difference(
            "history",
            f"Earlier turns: {had} went into the answer and {has} are kept; the caller sent them itself, or they "
            "were removed.",
        )
    elif all(searched) and searched[0] != searched[1]:
        yield Difference(
            "history",
            f"Documents were searched for {searched[0]!r} then and for {searched[1]!r} now: the earlier "
            "turns are not kept as they were.",
        )


def of_search(then: Told, now: Told) -> Iterator[Difference]:
    """The values that chose the passages; that an old manifest lacks them is told where others are shown now."""
    chose, chooses = then.manifest.get("retrieval_settings"), now.manifest["retrieval_settings"]
    if chose is None:
        shown, shows = ([by_place(passage) for passage in one.manifest["passages"]] for one in (then, now))
        if shown != shows:
            sentence = "The search's settings (layers.retrieval) were not recorded then; they may have changed."
            yield Difference("retrieval", sentence)
        return
    for name in {**chose, **chooses}:
        if chose.get(name) != chooses.get(name):
            was, now_is = (values.get(name, "not there") for values in (chose, chooses))
            yield Difference("retrieval", f"The search's {name} was {was} then and is {now_is} now.")


def of_retrieval(then: Told, now: Told, became: Callable[[Shown], str]) -> Iterator[Difference]:
    """Another indexed state of the documents, and the passages."""
    had, has = (one.manifest["collection_fingerprint"] for one in (then, now))
    if had != has:
        yield Difference(
            "retrieval",
            f"The collection {now.acted('retrieval')} was indexed anew by another embedder or splitter "
            f"({had} then, {has} now); passages are compared by their places.",
        )
    limited = [one.manifest["retrieval_degraded"] for one in (then, now)]
    if limited[0] != limited[1]:
        when = "then, not now" if limited[0] else "now, not then"
        yield Difference("retrieval", f"The vector index could not help the search {when}.")
    before, shown = (one.manifest["passages"] for one in (then, now))
    for sentence in passage_sentences(before, shown, became, by_id if had == has else by_place):
        yield Difference("passages", sentence)


def of_weights(then: Told, now: Told, switched: Collection[Factor]) -> Iterator[Difference]:
    """What the model read its words from: the prompt's text, the adapter's weights, the base, the engine."""
    pairs = {
        name: (then.manifest[name], now.manifest[name]) for name in ("prompt_sha256", "adapter_sha256", "base")
    }
    changed = {name: hashes(*pair) for name, pair in pairs.items() if pair[0] != pair[1]}
    if "prompt_sha256" in changed and "prompt" not in switched:
        yield Difference("prompt", f"The prompt {then.acted('prompt')} was edited ({changed['prompt_sha256']}).")
    if "adapter_sha256" in changed and "adapter" not in switched:
        sentence = f"{then.acted('adapter')} has other weights than then ({changed['adapter_sha256']})."
        yield Difference("adapter", sentence)
    if "base" in changed:
        yield Difference("base", f"The base is another ({changed['base']}).")
    answered = [one.manifest.get("answered_as") for one in (then, now)]
    if all(answered) and answered[0] != answered[1] and then.acted("adapter") == now.acted("adapter"):
        yield Difference("base", f"The server's model called itself {answered[0]} then, and {answered[1]} now.")
    engines = [one.manifest["engine"] for one in (then, now)]
    if engines[0] != engines[1]:
        yield Difference("engine", f"The engine is another ({engines[0]} then, {engines[1]} now).")


def unrecorded(then: Told, now: Told, switched: Collection[Factor]) -> Iterator[Difference]:
    """Where nothing else differs: what can be told of what the manifest does not hold."""
    if then.path != "model" or now.path != "model":
        return
    if "top_p" not in then.manifest and then.manifest["temperature"] > 0:
        yield Difference("sampling", f"top_p was not recorded then; now it is {now.manifest['top_p']:g}.")
    read = [one.manifest["tokens"].get("prompt", 0) for one in (then, now)]
    if read[0] != read[1] and all(read) and not {"prompt", "retrieval"} & set(switched):
        yield Difference(
            "tokens",
            f"The model read {read[0]} tokens then and {read[1]} now, though nothing that is recorded differs: "
            "something went into the prompt that is not kept, such as turns that the caller sent itself.",
        )


def hashes(then: str | None, now: str | None) -> str:
    return f"{str(then)[:SHORT]} then, {str(now)[:SHORT]} now"
