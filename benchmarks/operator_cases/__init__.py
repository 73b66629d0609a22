"""What benchmarks/operators.py measures: each operator's operands, and the same in eager torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from vllm.utils import compiled_operators as ours

Call = Callable[[], Any]
HIDDEN = 7168
HEAD = 128
EXPERTS, CHOICES = 32, 4


@dataclass(frozen=True, kw_only=True)
class Case:
    """One operator with what it is compared to; `bytes` is what it has to read and write."""

    name: str
    bytes: int
    call: Call
    eager: Call
    compiled: bool = False
    agrees: Callable[[Any, Any], bool]


def _random(*shape: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, device=device, generator=torch.Generator(device).manual_seed(0)).to(
        dtype
    )


def _near(ours_: torch.Tensor, eager: torch.Tensor) -> bool:
    return bool(((ours_.float() - eager.float()).abs() <= 2e-2 * (1 + eager.float().abs())).all())


def _near_quantised(ours_: Any, eager: Any) -> bool:
    """Bf16 intermediates of the eager expression may round to a neighbour of e4m3's."""
    values = (ours_[0].float() * _spread(ours_[1]) - eager[0].float() * _spread(eager[1])).abs()
    size = (eager[0].float() * _spread(eager[1])).abs().amax()
    return _near(ours_[1], eager[1]) and bool((values <= 0.1 * size).all())


def _spread(scales: torch.Tensor) -> torch.Tensor:
    return scales.repeat_interleave(ours.GROUP, 1)


def eager_quantise(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the operator computes, as one writes it in torch: scales MN-major too."""
    grouped = x.float().view(x.shape[0], -1, ours.GROUP)
    scales = grouped.abs().amax(-1, keepdim=True).clamp(min=1e-10) / 448.0
    values = (grouped / scales).to(torch.float8_e4m3fn).view(x.shape)
    return values, scales.squeeze(-1).t().contiguous().t()


def eager_silu_and_mul(x: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) * up as models write it."""
    gate, up = x.chunk(2, dim=-1)
    return functional.silu(gate) * up


def eager_rotary(positions: torch.Tensor, query: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Return the query turned, NeoX style, as models write it."""
    cos, sin = table[positions].to(query.dtype).unsqueeze(1).chunk(2, dim=-1)
    first, second = query.view(query.shape[0], -1, HEAD).chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.view(query.shape)


def eager_permute(x: torch.Tensor, ids: torch.Tensor) -> ours.Permuted:
    """Return the grouped layout by sorting; rows of padding are whatever they were."""
    order = torch.argsort(ids.flatten(), stable=True)
    sizes = torch.bincount(ids.flatten(), minlength=EXPERTS)
    aligned = (sizes + ours.ALIGNMENT - 1) // ours.ALIGNMENT * ours.ALIGNMENT
    experts = ids.flatten()[order]
    inside = torch.arange(order.numel(), device=x.device) - (sizes.cumsum(0) - sizes)[experts]
    rows = (aligned.cumsum(0) - aligned)[experts] + inside
    total = -(-(order.numel() + EXPERTS * (ours.ALIGNMENT - 1)) // ours.ALIGNMENT) * ours.ALIGNMENT
    permuted = x.new_empty((total, x.shape[1])).index_copy_(0, rows, x[order // CHOICES])
    layout = torch.full((total,), -1, dtype=torch.int32, device=x.device)
    layout[rows] = experts.int()
    row_of_slot = torch.empty_like(order).index_copy_(0, order, rows)
    return ours.Permuted(permuted, layout, row_of_slot.view(ids.shape).int(), sizes.int())


def eager_unpermute(
    permuted: torch.Tensor, slots: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Return the weighted sum of each token's rows."""
    rows = permuted[slots.flatten().long()].view(*slots.shape, -1)
    return (rows * weights.unsqueeze(-1).to(rows.dtype)).sum(1)


def rotary(tokens: int, device: torch.device, dtype: torch.dtype) -> Case:
    """Queries of 56 heads turned in place and out of place; here out of place."""
    query = _random(tokens, HIDDEN, device=device, dtype=dtype)
    positions = torch.arange(tokens, device=device)
    angles = torch.outer(
        positions.float(), 10000.0 ** -(torch.arange(0, 1, 2 / HEAD, device=device))
    )
    table = torch.cat((angles.cos(), angles.sin()), dim=-1)
    return Case(
        name="rotary_embedding",
        bytes=2 * query.nbytes + table.nbytes,
        call=lambda: ours.rotary_embedding(positions, query, None, HEAD, table, True)[0],
        eager=lambda: eager_rotary(positions, query, table),
        agrees=_near,
    )


def silu_and_mul(tokens: int, device: torch.device, dtype: torch.dtype) -> Case:
    """Rows of gate and up, each HIDDEN wide."""
    x = _random(tokens, 2 * HIDDEN, device=device, dtype=dtype)
    return Case(
        name="silu_and_mul",
        bytes=x.nbytes // 2 * 3,
        call=lambda: ours.silu_and_mul(x),
        eager=lambda: eager_silu_and_mul(x),
        agrees=_near,
    )


def quantise(tokens: int, device: torch.device, dtype: torch.dtype) -> Case:
    """Activations quantised for the GEMM."""
    x = _random(tokens, HIDDEN, device=device, dtype=dtype)
    return Case(
        name="per_token_group_quant_fp8",
        bytes=x.nbytes + x.numel() + 4 * x.numel() // ours.GROUP,
        call=lambda: ours.per_token_group_quant_fp8(x),
        eager=lambda: eager_quantise(x),
        compiled=True,
        agrees=_near_quantised,
    )


def fused(tokens: int, device: torch.device, dtype: torch.dtype) -> Case:
    """The activation between two GEMMs, quantised in the same pass."""
    x = _random(tokens, 2 * HIDDEN, device=device, dtype=dtype)
    elements = x.numel() // 2
    return Case(
        name="silu_and_mul_per_token_group_quant_fp8",
        bytes=x.nbytes + elements + 4 * elements // ours.GROUP,
        call=lambda: ours.silu_and_mul_per_token_group_quant_fp8(x),
        eager=lambda: eager_quantise(eager_silu_and_mul(x)),
        compiled=True,
        agrees=_near_quantised,
    )


def _routed(
    tokens: int, device: torch.device, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.rand(tokens, EXPERTS, generator=torch.Generator().manual_seed(0))
    x = _random(tokens, HIDDEN, device=device, dtype=dtype)
    return x, scores.topk(CHOICES).indices.to(device)


def permute(tokens: int, device: torch.device, dtype: torch.dtype) -> Case:
    """Each token's row to CHOICES of EXPERTS; padding is not counted."""
    x, ids = _routed(tokens, device, dtype)
    return Case(
        name="moe_permute",
        bytes=x.nbytes * (1 + CHOICES),
        call=lambda: ours.moe_permute(x, ids, EXPERTS),
        eager=lambda: eager_permute(x, ids),
        agrees=lambda a, b: all(torch.equal(x, y) for x, y in zip(a[1:], b[1:], strict=True)),
    )


def unpermute(tokens: int, device: torch.device, dtype: torch.dtype) -> Case:
    """The weighted sum of each token's rows."""
    x, ids = _routed(tokens, device, dtype)
    found = ours.moe_permute(x, ids, EXPERTS)
    weights = torch.rand(ids.shape, device=device)
    return Case(
        name="moe_unpermute",
        bytes=x.nbytes * (1 + CHOICES),
        call=lambda: ours.moe_unpermute(found.rows, found.row_of_slot, weights),
        eager=lambda: eager_unpermute(found.rows, found.row_of_slot, weights),
        agrees=lambda a, b: torch.allclose(a.float(), b.float(), rtol=5e-2, atol=1e-1),
    )


CASES = (rotary, silu_and_mul, quantise, fused, permute, unpermute)
