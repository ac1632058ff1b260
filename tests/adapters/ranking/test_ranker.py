import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel

from adapters.base import dequantised, load_model, load_tokenizer
from adapters.card import read_card
from adapters.examples import as_dicts
from adapters.header import BaseFile
from adapters.merge import kept_merged
from adapters.ranking import ask
from adapters.ranking.ranker import LENGTHS, Ranker, filled_up, open_ranker
from configs.load import HOSPITAL
from ingest.models import ModelError, file_sha256
from tests.adapters.ranking.conftest import SHIPPED

PASSAGES = (
    "Public Library > Opening hours\nThe library is open from 9 a.m. to 6 p.m., on Saturdays until noon.",
    "Public Library > Lost cards\nA new card costs $4. Bring a letter with your address.",
    "Swimming Pool > Tickets\nAdults pay $6 and children $2. Under 4 years it is free. Ask at the desk.",
)
QUESTIONS = ("how late can I bring my books back", "i lost my card what now", "what does it cost for my 3 year old")


def test_each_question_is_answered_by_its_passage(ranker: Ranker) -> None:
    for number, question in enumerate(QUESTIONS):
        assert int(np.argmax(ranker.log_odds(question, PASSAGES))) == number, question


def test_a_passage_is_read_alike_alone_and_beside_others(ranker: Ranker) -> None:
    together = ranker.log_odds(QUESTIONS[2], PASSAGES)
    alone = [ranker.log_odds(QUESTIONS[2], [passage])[0] for passage in PASSAGES]
    assert together == pytest.approx(alone, abs=0.1)


def test_many_at_once_get_each_their_own(ranker: Ranker) -> None:
    asked = [QUESTIONS[number % 3] for number in range(12)]
    alone = {question: ranker.log_odds(question, PASSAGES) for question in QUESTIONS}
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda question: ranker.log_odds(question, PASSAGES), asked))
    assert found == [alone[question] for question in asked]


def test_a_question_that_no_passage_answers_has_low_odds(ranker: Ranker) -> None:
    best = [max(ranker.log_odds(question, PASSAGES)) for question in QUESTIONS]
    for unanswered in (
        "who was the library's architect",
        "can i bring my horse",
        "is the pool water heated by gas",
    ):
        assert max(ranker.log_odds(unanswered, PASSAGES)) < min(best), unanswered


@pytest.mark.parametrize("earlier", ["", "Where can I swim in winter, and is there a lesson?"])
def test_it_says_what_torch_says(ranker: Ranker, base_file: BaseFile, derived: Path, earlier: str) -> None:
    folder = dequantised(base_file.gguf, file_sha256(base_file.gguf), derived / "base")
    tokenizer = load_tokenizer(folder)
    model = PeftModel.from_pretrained(load_model(folder, torch.float32), str(SHIPPED)).eval()
    yes, no = (tokenizer(word)["input_ids"][0] for word in (ask.YES, ask.NO))
    for question in QUESTIONS:
        expected = []
        for passage in PASSAGES:
            messages = as_dicts(ask.messages(passage, question, earlier))
            read = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
            )
            with torch.inference_mode():
                logits = model(read["input_ids"]).logits[0, -1]
            expected.append(float(logits[yes] - logits[no]))
        assert ranker.log_odds(question, PASSAGES, earlier) == pytest.approx(expected, abs=0.5)


def test_the_network_is_kept(ranker: Ranker, base_file: BaseFile) -> None:
    (folder,) = base_file.cache.glob("*.network-*")
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = open_ranker(SHIPPED, base_file, base_file.cache, threads=0)
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    assert again.log_odds(QUESTIONS[0], PASSAGES) == ranker.log_odds(QUESTIONS[0], PASSAGES)


def test_an_adapter_that_learnt_something_else_is_refused(base_file: BaseFile) -> None:
    with pytest.raises(ModelError, match="learnt house@1, not answers@1"):
        open_ranker(HOSPITAL.parent / "adapters" / "house-style" / "2", base_file, base_file.cache, threads=0)


def test_a_changed_adapter_is_refused(base_file: BaseFile, tmp_path: Path) -> None:
    folder = tmp_path / "ranker" / "1"
    shutil.copytree(SHIPPED, folder)
    weights = folder / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="hash"):
        open_ranker(folder, base_file, base_file.cache, threads=0)
    with pytest.raises(ModelError, match="cannot act"):
        open_ranker(tmp_path / "ranker" / "2", base_file, base_file.cache, threads=0)


def test_a_network_that_is_not_the_adapters_is_refused(base_file: BaseFile, tmp_path: Path) -> None:
    weights = read_card(SHIPPED).weights_sha256
    # As if merging had added nothing.
    wrong = kept_merged(base_file.gguf, file_sha256(base_file.gguf), tmp_path, None, weights)
    with pytest.raises(ModelError, match=r"ranker, as kept in .* \(delete that folder.* acts otherwise") as told:
        open_ranker(SHIPPED, base_file, tmp_path, threads=0)
    assert str(tmp_path) in str(told.value) and wrong.name in str(told.value)
    # What the message says to do.
    wrong.unlink()
    shutil.rmtree(next(tmp_path.glob("*.network-*")))
    open_ranker(SHIPPED, base_file, tmp_path, threads=0)


def test_a_damaged_network_is_told_with_what_to_do(ranker: Ranker, base_file: BaseFile, tmp_path: Path) -> None:
    (kept,) = base_file.cache.glob("*.network-*")
    folder = tmp_path / "network"
    shutil.copytree(kept, folder)
    (folder / "openvino_model.xml").write_text("<cut")
    with pytest.raises(ModelError, match="Delete the folder"):
        Ranker(folder, ranker.sha256, threads=0)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=4))
def test_prompts_are_filled_up_in_front_to_a_few_lengths(lengths: list[int]) -> None:
    prompts = [np.arange(1, length + 1) for length in lengths]
    tokens, given_ = filled_up(prompts)
    assert tokens.shape == given_.shape
    assert tokens.shape[1] % LENGTHS == 0
    assert tokens.shape[1] - max(lengths) < LENGTHS
    for row, here, prompt in zip(tokens, given_, prompts, strict=True):
        assert row[here == 1].tolist() == prompt.tolist()
        assert here.tolist() == sorted(here.tolist())


def test_a_follow_up_asks_for_what_is_new_in_it(ranker: Ranker) -> None:
    wards = (
        "Visiting hours > General wards\nYou can visit the general wards from 10 a.m. to 8 p.m. every day.",
        "Visiting hours > Sundays and holidays\nOn Sundays the general wards close to visitors at 6 p.m.",
    )
    every_day, sundays = ranker.log_odds("And on Sundays?", wards, "When can I visit the general wards?")
    # In bfloat16 odds come in steps of an eighth, and these two may be equal: then search's order stays, and
    # test_end_to_end.py asks the whole product this very question.
    assert sundays >= every_day
    flowers = "Visiting hours > Flowers\nFlowers are welcome on the general wards, but not in intensive care."
    for question, passage in (("How about Sundays?", wards[1]), ("And may I bring flowers?", flowers)):
        first, new = ranker.log_odds(question, (wards[0], passage), "When can I visit the general wards?")
        assert new > first
    every_day, sundays = ranker.log_odds("When can I visit the general wards?", wards)
    assert every_day > sundays
