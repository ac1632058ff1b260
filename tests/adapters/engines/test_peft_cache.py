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


lengths = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def random_rows(lengths: list[int]) -> list[torch.Tensor]:
    """(heads, tokens, width) each, without a zero."""
    return [torch.rand(2, length, 4) + 1 for length in lengths]


def holds(layer: RowsLayer, rows: list[torch.Tensor]) -> bool:
    """Keys as they are and values below zero, and nothing that could be NaN before a row's first token."""
    keys, values = layer.keys[:, :, : layer.end], layer.values[:, :, : layer.end]
    return torch.equal(keys, -values) and all(
        torch.equal(one[:, -row.shape[1] :], row) and not one[:, : -row.shape[1]].any()
        for one, row in zip(keys, rows, strict=True)
    )


def continued(layer: RowsLayer, rows: list[torch.Tensor], steps: int) -> list[torch.Tensor]:
    """The rows with so many more tokens, which the layer took in, too."""
    for _ in range(steps):
        new = torch.rand(len(rows), 2, 1, 4) + 1
        keys, values = layer.update(new, -new)
        rows = [torch.cat([row, one], dim=1) for row, one in zip(rows, new, strict=True)]
        assert keys.shape[2] == layer.get_seq_length() and torch.equal(keys, -values)
    return rows


@given(lengths, st.sampled_from((0, 1, ROOM, ROOM + 1)), st.data())
def test_each_row_keeps_its_tokens_whoever_comes_and_goes(
    first: list[int], steps: int, data: st.DataObject
) -> None:
    layer, rows = RowsLayer(), random_rows(first)
    layer.arrange([], [(row, -row) for row in rows], range(len(rows)), max(first))
    assert holds(layer, rows)
    rows = continued(layer, rows, steps)
    staying = data.draw(st.lists(st.sampled_from(range(len(rows))), unique=True).map(sorted))
    new = random_rows(data.draw(lengths if not staying else lengths | st.just([])))
    arranged = [*(rows[place] for place in staying), *new]
    places = data.draw(st.permutations(range(len(arranged))))
    longest = max(row.shape[1] for row in arranged)
    layer.arrange(staying, [(row, -row) for row in new], places, longest)
    rows = [arranged[places.index(place)] for place in range(len(places))]
    assert layer.end == longest and holds(layer, rows)
    assert holds(layer, continued(layer, rows, 2))


@given(lengths)
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
