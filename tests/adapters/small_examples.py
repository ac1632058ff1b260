"""A few documents with examples about them, as files that a recipe names."""

import json
from pathlib import Path
from typing import Any

DOCUMENTS = {
    "parking.md": "# Parking\n\n## North Garage\n\nIt costs $3 an hour.\n\n## South Lot\n\nIt is free at night.\n",
    "visiting.md": "# Visiting\n\n## Hours\n\nFrom 10 a.m. to 8 p.m.\n\n## Children\n\nAlways with an adult.\n",
    "food.md": "# Food\n\n## Cafeteria\n\nLunch from noon to 2 p.m.\n",
    "records.md": "# Records\n\n## Copies\n\nA copy costs $5.\n",
}
ASKED = {
    ("parking.md", "North Garage"): ("price of leaving my car", "what do I pay by the hour", "garage fee?"),
    ("parking.md", "South Lot"): ("where can I park for nothing", "cheap place for the van overnight"),
    ("visiting.md", "Hours"): ("how late can I see my mum", "open for guests when"),
    ("visiting.md", "Children"): ("may I bring the twins", "is my toddler welcome"),
    ("food.md", "Cafeteria"): ("where do I eat", "soup at one o'clock?"),
    (None, None): ("do you rent cars", "who cuts hair here", "is there a pool", "can I bring my horse"),
}
NO_ANSWER = "I can't find this in our documents."


def write_examples(folder: Path, prefix: str = "") -> dict[str, Any]:
    """Write them to the folder, each id with the prefix; a recipe's `data` that names them."""
    (folder / "docs").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "docs" / name).write_text(text)
    for (document, section), questions in ASKED.items():
        for question in questions:
            add_example(folder, id=prefix + question, document=document, section=section, question=question)
    return {
        "examples": ["style.jsonl"],
        "documents": "docs",
        "validation": ["food.md"],
        "held_back": ["records.md"],
    }


def add_example(folder: Path, **values: str | None) -> None:
    example = {"id": values["question"], "answer": "You can ask us [cite]." if values["document"] else NO_ANSWER}
    with (folder / "style.jsonl").open("a") as file:
        file.write(json.dumps(example | values) + "\n")
