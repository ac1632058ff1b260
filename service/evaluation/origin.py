"""What decides a run's answers: models, prompts, documents and values, with their hashes; they make its id."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ingest.corpus import Corpus
from ingest.documents import PUBLIC
from service.answer import Chatbot
from service.evaluation.design import Cell, Design
from service.evaluation.house_style import HouseStyle
from service.evaluation.metrics.catalogue import VERSION
from service.evaluation.questions import PackQuestion
from service.evaluation.store import as_lines
from service.plan import Layers
from service.retrieve import HybridRetriever, check_filled, searchable


async def made_from(
    chatbot: Chatbot,
    design: Design,
    cells: Sequence[Cell],
    questions: Sequence[PackQuestion],
    guards: Mapping[str, str],
    house: HouseStyle | None = None,
) -> dict[str, Any]:
    """Everything by value or hash; `guards` are the hashes of the emergency files. Loads every adapter.

    Raises SwitchRefused for a level that does not exist, AdapterRefused, and RetrievalError without documents.
    """
    layers = [chatbot.plan(cell.overrides(design.seed), None).layers for cell in cells]
    defaults = chatbot.defaults
    return {
        "metrics": VERSION,
        "design": declared(design),
        "questions": sha256(as_lines(questions)),
        "engine": chatbot.engine.kind,
        "base": chatbot.engine.base,
        "max_tokens": defaults.max_tokens,
        "top_p": defaults.top_p,
        "history_turns": defaults.history_turns,
        "no_answer": defaults.no_answer,
        "retrieval": chatbot.retriever.settings(),
        **other_searches(chatbot, names(layers, "retrieval")),
        "guards": dict(guards),
        "cells": [
            {"asked": cell.model_dump(), "layers": asdict(one)} for cell, one in zip(cells, layers, strict=True)
        ],
        "prompts": {name: chatbot.prompts[name].hash for name in names(layers, "prompt")},
        "collections": snapshots(chatbot, names(layers, "retrieval")),
        "adapters": await adapter_hashes(chatbot, names(layers, "adapter")),
        **style_texts(house),
    }


def declared(design: Design) -> dict[str, Any]:
    """The design without its files, whose contents count, without the cost, which changes no score, and without the
    engines, of which each has a run of its own.
    """
    left_out: Any = {"questions": {"file", "held_back_by"}, "style": {"like"}, "cost": True, "engines": True}
    return design.model_dump(mode="json", exclude=left_out)


def style_texts(house: HouseStyle | None) -> dict[str, str]:
    return {"style_texts": house.learnt.sha256} if house else {}


def names(layers: Sequence[Layers], factor: str) -> list[str]:
    return sorted({name for one in layers if (name := getattr(one, factor)) is not None})


def other_searches(chatbot: Chatbot, named: Sequence[str]) -> dict[str, Any]:
    """What the other searches among the levels do; nothing where there are none."""
    ways = chatbot.retriever.ways
    found = {name: ways[name].settings() for name in named if name in ways}
    return {"searches": found} if found else {}


def snapshots(chatbot: Chatbot, named: Sequence[str]) -> dict[str, Any]:
    """Of all but the retrievers of one's own, whose documents nobody else knows."""
    ways = {name: chatbot.retriever.way(name) for name in named}
    return {name: snapshot(way.corpus) for name, way in ways.items() if isinstance(way, HybridRetriever)}


def snapshot(corpus: Corpus) -> dict[str, Any]:
    """The documents as they are now: `documents` is their number, `sha256` changes with any of them.

    `labels` changes with who may read them; it is not there where everybody may read all.
    """
    check_filled(corpus)
    serving = searchable(corpus)
    hashes = corpus.library.document_hashes(serving.id)
    contents = sha256(json.dumps(sorted(hashes.items())))
    made = {"fingerprint": serving.fingerprint, "documents": len(hashes), "sha256": contents}
    return {**made, **labels_of(corpus.library.document_labels(serving.id))}


def labels_of(labels: Mapping[str, frozenset[str]]) -> dict[str, str]:
    others = {source: sorted(own) for source, own in labels.items() if own != {PUBLIC}}
    return {"labels": sha256(json.dumps(others, sort_keys=True))} if others else {}


async def adapter_hashes(chatbot: Chatbot, labels: Sequence[str]) -> dict[str, str]:
    """One after the other, so that no answer waits for an adapter later."""
    found = {}
    for label in labels:
        weights = await chatbot.adapters.ready(label)
        if weights is not None:
            found[label] = weights.sha256
    return found


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
