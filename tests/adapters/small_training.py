"""A small recipe with rows, and all that a training of them takes."""

from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage

from adapters.base import load_tokenizer
from adapters.examples import Row
from adapters.prompt import load_prompt
from adapters.recipe import Data, Lora, Mix, Recipe, Training
from adapters.registry import Registry
from adapters.training import Prepared, base_of
from configs.load import HOSPITAL


def recipe(**training: Any) -> Recipe:
    values = {
        "learning_rate": 0.01,
        "cycles": 1,
        "epochs": 2,
        "batch_size": 2,
        "warmup_share": 0.1,
        "weight_decay": 0,
        "max_tokens": 120,
        "evaluate_every": 2,
        "patience": 5,
        "seed": 1,
    }
    return Recipe(
        name="style",
        prompt="house@1",
        no_answer="I can't find this.",
        data=Data(examples=(Path("a"),), documents=Path("d"), validation=("v",), held_back=()),
        mix=Mix(
            passages=1,
            variants=1,
            shuffled=0,
            without_gold=0,
            without_retrieval=0,
            without_prompt=0,
            with_history=0,
        ),
        lora=Lora(rank=2, alpha=4, dropout=0),
        training=Training(**values | training),
    )


def row(number: int, answer: str = "From ten. Call us.") -> Row:
    return Row(f"e{number}", (SystemMessage("Answer."), HumanMessage(f"When is {number}?")), answer)


ROWS = [row(number) for number in range(8)]


def prepared(model: Path, folder: Path, recipe: Recipe) -> Prepared:
    return Prepared(
        recipe=recipe,
        registry=Registry(folder / "shipped", folder / "own"),
        template=load_prompt(HOSPITAL.parent / "prompts", recipe.prompt),
        tokenizer=load_tokenizer(model),
        base=model,
        made_from=base_of("file:base", model / "model.safetensors", model),
        rows=ROWS,
        validation=ROWS[:2],
        start=None,
        work=folder / "work",
    )
