"""What differs between two adapter versions, and how a name's versions came about, as their cards tell."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.card import Card
from adapters.registry import AdapterVersion, Registry, UnknownAdapter

Facts = dict[str, Any]


def facts(card: Card) -> Facts:
    """The card as one level of dotted names; the curve of losses as what it came to."""
    left_out = {"schema_version", "name", "seal", "losses", "trials", "learning_curve"}
    values = card.model_dump(mode="json", exclude=left_out)
    return dict(flat(values)) | {f"losses.{key}": value for key, value in curve(card.losses).items()}


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def curve(losses: Sequence[Mapping[str, float]]) -> Facts:
    """The steps, the last training loss, the best evaluation loss; what was not measured is not there."""
    steps, last, evaluated = (
        [entry[key] for entry in losses if key in entry] for key in ("step", "loss", "eval_loss")
    )
    summary = {"steps": steps[-1:], "last": last[-1:], "best_evaluation": sorted(evaluated)[:1]}
    return {name: found[0] for name, found in summary.items() if found}


def differences(one: Card, other: Card) -> list[Facts]:
    """The facts that are not the same: {"fact", "before", "after"}; None where a card does not have one."""
    before, after = facts(one), facts(other)
    return [
        {"fact": fact, "before": before.get(fact), "after": after.get(fact)}
        for fact in before | after
        if before.get(fact) != after.get(fact)
    ]


def minutes_of(registry: Registry, label: str) -> float:
    """Of training on the card's machine, with the trials before it and the versions that this one goes on from."""
    cards = [version.card for version in with_starts(registry, label)]
    return sum(card.minutes + sum(trial.minutes for trial in card.trials) for card in cards)


def with_starts(registry: Registry, label: str) -> Iterator[AdapterVersion]:
    """The version, the one that it goes on from, and so on, as far as cards name them with their number."""
    known = {version.label: version for version in registry.all()}
    version: AdapterVersion | None = registry.resolve(label)
    while version:
        yield version
        version = known.get(version.card.recipe.get("start") or "")


def lineage(registry: Registry, name: str) -> list[Facts]:
    """Every version of the name, the oldest first: made from what, how it turned out, promoted when and by whom.

    Of one whose card cannot be read, the `problem`. Raises UnknownAdapter, AdapterRefused.
    """
    versions = [one for one in registry.all() if one.name == name]
    if not versions:
        names = ", ".join(dict.fromkeys(one.name for one in registry.all())) or "none"
        raise UnknownAdapter(f"There is no adapter of the name {name!r}; there are: {names}.")
    promotions, promoted = registry.promotions(), registry.promoted().get(name)
    found: list[Facts] = []
    before = None
    for version in versions:
        acts = [entry for entry in promotions if entry.get("adapter") == version.label]
        told = {"adapter": version.label, "promoted": version.label == promoted, "promotions": acts}
        if problem := version.problem:
            found.append({**told, "problem": problem})
            continue
        made = {"created": version.card.created, "facts": facts(version.card), "changed": changed(before, version)}
        found.append({**told, **made})
        before = version
    return found


def changed(before: AdapterVersion | None, version: AdapterVersion) -> list[str]:
    """The names of the facts that differ from the version before, without those that always do."""
    always = {"created", "minutes", "weights_sha256"}
    found = differences(before.card, version.card) if before else []
    return [one["fact"] for one in found if one["fact"] not in always]
