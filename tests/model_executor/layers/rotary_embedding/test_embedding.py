"""Layers of models: queries and keys rotated by position, on one axis and on three."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vllm.model_executor.layers.rotary_embedding import MRotaryEmbedding, get_rope
from vllm.model_executor.layers.rotary_embedding.embedding import RotaryEmbedding
from vllm.model_executor.layers.rotary_embedding.frequencies import base_frequencies

EMBEDDING = "vllm.model_executor.layers.rotary_embedding.embedding"
HEAD = 32
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}


def turned(x: torch.Tensor, angles: torch.Tensor, *, neox: bool) -> torch.Tensor:
    """Rotate (tokens, heads * HEAD) by (tokens, pairs), in float64, with matrices of two by two."""
    heads = x.double().unflatten(-1, (-1, HEAD))
    half = angles.shape[-1]
    places = [(i, i + half) if neox else (2 * i, 2 * i + 1) for i in range(half)]
    result = heads.clone()
    for pair, (first, second) in enumerate(places):
        cos, sin = angles[:, pair, None].cos(), angles[:, pair, None].sin()
        result[..., first] = heads[..., first] * cos - heads[..., second] * sin
        result[..., second] = heads[..., first] * sin + heads[..., second] * cos
    return result.flatten(-2)


@pytest.mark.parametrize("neox", [True, False])
@pytest.mark.parametrize("parameters", [None, LLAMA3, {"partial_rotary_factor": 0.5}])
def test_queries_and_keys_turn_by_their_positions(
    neox: bool, parameters: dict[str, Any] | None
) -> None:
    """Positions may repeat and come in any order; heads of keys may be fewer."""
    rope = get_rope(HEAD, 128, parameters, is_neox_style=neox)
    positions = torch.tensor([5, 0, 5, 127, 1])
    query, key = torch.randn(5, 4 * HEAD), torch.randn(5, HEAD)
    cos, sin = rope.cos_sin_cache[positions].double().chunk(2, -1)
    angles = torch.atan2(sin, cos)
    found = rope(positions, query, key)
    for x, result in zip((query, key), found, strict=True):
        assert torch.allclose(result.double(), turned(x, angles, neox=neox), atol=1e-5)
    assert rope(positions, query)[1] is None


def test_the_scores_of_attention_depend_on_distance_alone() -> None:
    """What rotary embeddings are for."""
    rope = get_rope(HEAD, 128)
    q, k = torch.randn(1, HEAD), torch.randn(1, HEAD)

    def score(i: int, j: int) -> float:
        query = rope(torch.tensor([i]), q)[0]
        key = rope(torch.tensor([j]), k)[0]
        return float((query * key).sum())

    assert score(3, 1) == pytest.approx(score(90, 88), abs=1e-4)
    assert score(3, 1) != pytest.approx(score(3, 2), abs=1e-3)


def test_yarn_reaches_beyond_its_original_context_and_is_scaled() -> None:
    """Its table has the longer context, its cosines the magnitude."""
    rope = get_rope(HEAD, 64, YARN)
    assert rope.cos_sin_cache.shape[0] == 256
    assert rope.cos_sin_cache[0, 0].item() == pytest.approx(1.1386294)


@pytest.mark.parametrize("interleaved", [False, True])
def test_multimodal_positions_turn_each_pair_by_its_axis(interleaved: bool) -> None:
    """Pairs side by side or in turns."""
    sections = [8, 4, 4]
    parameters = {"mrope_section": sections, "mrope_interleaved": interleaved}
    rope = get_rope(HEAD, 128, parameters)
    assert isinstance(rope, MRotaryEmbedding)
    positions = torch.tensor([[1, 2, 3], [10, 20, 30], [7, 70, 77]])
    if interleaved:
        axes = [(0, 1, 2)[i % 3] if i < 12 else 0 for i in range(16)]
    else:
        axes = [0] * 8 + [1] * 4 + [2] * 4
    frequencies = base_frequencies(HEAD, 10000.0)
    chosen = torch.stack([positions[axis].double() for axis in axes], dim=-1)
    query = torch.randn(3, 2 * HEAD)
    wanted = turned(query, chosen * frequencies, neox=True)
    assert torch.allclose(rope(positions, query)[0].double(), wanted, atol=1e-5)


def test_multimodal_rotation_of_text_is_the_plain_one() -> None:
    """Three equal axes, or one, are the same: but for the last place, since one may be compiled."""
    multimodal = get_rope(HEAD, 128, {"mrope_section": [8, 4, 4]})
    positions, query = torch.arange(6), torch.randn(6, HEAD)
    wanted = get_rope(HEAD, 128)(positions, query)[0]
    for given in (positions, positions.expand(3, -1)):
        assert torch.allclose(multimodal(given, query)[0], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rope_type": "longest"}, "rope_type: expected one of .*, got 'longest'"),
        ({"rope_type": "yarn"}, "rope_parameters: expected factor, got rope_type"),
        ({"mrope_section": [1, 1, 1]}, "sections: expected a sum of 16 pairs"),
        (YARN | {"mscale": 1.0}, "rope_parameters: expected some of rope_type, .*, got mscale"),
        ({"rope_typ": "yarn"}, "rope_parameters: expected some of rope_type, .*, got rope_typ"),
        ({"partial_rotary_factor": 2}, "rotary_dim: expected at most 32, got 64"),
    ],
)
def test_parameters_that_cannot_be_served_are_named(
    parameters: dict[str, Any], message: str
) -> None:
    """No silent default for a model that would then be wrong."""
    with pytest.raises(ValueError, match=message):
        get_rope(HEAD, 128, parameters)


@pytest.mark.parametrize("forward", ["forward_cpu", "forward_cuda"])
def test_the_compiled_operator_is_used_where_it_is_built(
    forward: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the table as it is stored; what it cannot do is left to torch."""
    rope = RotaryEmbedding(HEAD, base_frequencies(HEAD, 10000.0), 128)
    asked: list[tuple[object, ...]] = []

    def operator(*operands: object) -> tuple[torch.Tensor, None]:
        asked.append(operands)
        return query, None

    monkeypatch.setattr(f"{EMBEDDING}.rotary_embedding", operator)
    monkeypatch.setattr(f"{EMBEDDING}.is_served", lambda name, kind: kind == "cpu")
    positions, query = torch.arange(4), torch.randn(4, 2 * HEAD).bfloat16()
    assert getattr(rope, forward)(positions, query)[0] is query
    (operands,) = asked
    assert operands[:4] == (positions, query, None, HEAD)
    assert operands[4] is rope.cos_sin_cache
    assert getattr(rope, forward)(positions, query.float().requires_grad_())[0].requires_grad
    monkeypatch.setattr(f"{EMBEDDING}.is_served", lambda name, kind: False)
    getattr(rope, forward)(positions, query)
    assert len(asked) == 1
