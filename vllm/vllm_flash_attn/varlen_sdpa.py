"""Variable-length attention by torch's scaled_dot_product_attention: slower, on any device.

Follows FlashAttention's conventions: causal and window masks are aligned to the ends of queries
and keys, a query that sees no key gives zeros and a log-sum-exp of minus infinity.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, kw_only=True)
class Mask:
    """Which keys a query sees, and what is added to its scores."""

    causal: bool = False
    # How far to the left and right, -1 for no bound.
    window: tuple[int, int] = (-1, -1)
    alibi_slopes: Tensor | None = None

    def bias(self, sequence: int, queries: int, keys: int, like: Tensor) -> Tensor | None:
        """Return what to add to the scores of one sequence, None where all is seen.

        Shapes: (queries, keys), or (heads, queries, keys) with slopes.
        """
        left, right = self.window
        right = 0 if self.causal else right
        if left < 0 and right < 0 and self.alibi_slopes is None:
            return None
        query = torch.arange(queries, device=like.device)[:, None] + keys - queries
        distance = torch.arange(keys, device=like.device)[None, :] - query
        hidden = torch.zeros_like(distance, dtype=torch.bool)
        if left >= 0:
            hidden |= distance < -left
        if right >= 0:
            hidden |= distance > right
        bias = torch.zeros(distance.shape, dtype=torch.float32, device=like.device)
        if self.alibi_slopes is not None:
            slopes = self.alibi_slopes
            slopes = slopes[sequence] if slopes.dim() == 2 else slopes
            bias = -slopes.float()[:, None, None] * distance.abs()
        return bias.masked_fill(hidden, -inf)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys and values of all sequences: packed one after another, or in pages."""

    k: Tensor
    v: Tensor
    # (batch + 1): where each sequence starts in packed keys.
    starts: Tensor | None = None
    # (batch): how many keys of each sequence count.
    lengths: Tensor | None = None
    # (batch, pages): the pages of each sequence; k is then (pages, page size, heads, head size).
    block_table: Tensor | None = None

    def of(self, sequence: int) -> tuple[Tensor, Tensor]:
        """Return the keys and values of one sequence. Shapes: (length, heads, head size)."""
        if self.block_table is not None:
            assert self.lengths is not None
            length = int(self.lengths[sequence])
            pages = self.block_table[sequence, : -(-length // self.k.shape[1])].long()
            k, v = (part[pages].flatten(0, 1)[:length] for part in (self.k, self.v))
            return k, v
        assert self.starts is not None
        start, end = int(self.starts[sequence]), int(self.starts[sequence + 1])
        if self.lengths is not None:
            end = start + int(self.lengths[sequence])
        return self.k[start:end], self.v[start:end]


def varlen_attention(
    q: Tensor, starts: Tensor, keys: Keys, mask: Mask, scale: float
) -> tuple[Tensor, Tensor]:
    """Return the output and the log-sum-exp of the scores.

    Shapes: q and output (total queries, heads, head size), log-sum-exp (heads, total queries).
    """
    output = torch.zeros(*q.shape[:-1], keys.v.shape[-1], dtype=q.dtype, device=q.device)
    sums = torch.full((q.shape[1], q.shape[0]), -inf, dtype=torch.float32, device=q.device)
    for sequence in range(len(starts) - 1):
        rows = slice(int(starts[sequence]), int(starts[sequence + 1]))
        k, v = keys.of(sequence)
        if rows.stop == rows.start or not len(k):
            continue
        bias = mask.bias(sequence, rows.stop - rows.start, len(k), q)
        output[rows], sums[:, rows] = _one_sequence(q[rows], k, v, bias, scale)
    return output, sums


def _one_sequence(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    group = q.shape[1] // k.shape[1]
    # (heads, length, head size); the queries of a group share their keys.
    q, k, v = q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1)
    k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
    scores = (q.float() @ k.float().transpose(1, 2)) * scale
    if bias is not None:
        scores = scores + bias
    sums = scores.logsumexp(-1)
    additive = None if bias is None else bias.to(q.dtype).expand_as(scores)[None]
    output = scaled_dot_product_attention(q[None], k[None], v[None], additive, scale=scale)[0]
    blind = sums == -inf
    return output.masked_fill(blind[..., None], 0).transpose(0, 1), sums
