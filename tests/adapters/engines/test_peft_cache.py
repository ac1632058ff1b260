import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, MistralConfig

from adapters.engines.peft_cache import ROOM, Prompt, RowsLayer, check_attention, mask
from adapters.engines.protocol import EngineError

ids = st.lists(st.integers(0, 2), max_size=8)


@given(ids, ids.filter(bool))
def test_what_two_prompts_share_is_their_beginning_but_never_the_last_token(
    kept: list[int], new: list[int]
) -> None:
    shared = Prompt(kept, []).shared(new)
    assert kept[:shared] == new[:shared] and shared < len(new)
    assert shared == len(new) - 1 or kept[: shared + 1] != new[: shared + 1]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from((1, ROOM, ROOM + 1)))
def test_each_row_gives_back_what_it_was_given_and_what_came_after(lengths: list[int], steps: int) -> None:
    layer, rows = RowsLayer(), [torch.rand(2, length, 4) + 1 for length in lengths]
    layer.fill([(row, -row) for row in rows])
    for _ in range(steps):
        new = torch.rand(len(rows), 2, 1, 4) + 1
        keys, values = layer.update(new, -new)
        rows = [torch.cat([row, one], dim=1) for row, one in zip(rows, new, strict=True)]
    assert keys.shape[2] == layer.get_seq_length() == max(lengths) + steps
    for place, row in enumerate(rows):
        assert torch.equal(layer.row(place, row.shape[1])[0], row)
        assert torch.equal(layer.row(place, row.shape[1])[1], -row)
        assert not keys[place, :, : -row.shape[1]].any(), "nothing that could be NaN stands before it"
    assert torch.equal(keys, -values)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_a_row_sees_its_own_tokens_and_the_next_one(lengths: list[int]) -> None:
    seen = mask(lengths, torch.device("cpu"))
    if seen is None:
        assert len(set(lengths)) == 1
        return
    assert seen[:, 0, 0].sum(dim=1).tolist() == [length + 1 for length in lengths]
    assert seen[..., -1].all()


def test_a_model_that_does_not_see_the_whole_context_is_refused() -> None:
    check_attention(LlamaConfig(num_hidden_layers=2), 4096)
    check_attention(MistralConfig(num_hidden_layers=2, sliding_window=4096), 2048)
    with pytest.raises(EngineError, match="every layer must see all 8192 tokens"):
        check_attention(MistralConfig(num_hidden_layers=2, sliding_window=4096), 8192)
