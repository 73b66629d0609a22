"""How rows belong to groups: the layouts that m-grouped functions take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vllm.third_party.deep_gemm.utils import align


@dataclass(frozen=True, kw_only=True)
class RowGroups:
    """Each group's rows start at a multiple of `alignment`; `trailing` rows of padding follow."""

    counts: tuple[int, ...]
    alignment: int
    trailing: int = 0

    @property
    def slices(self) -> list[slice]:
        """The rows of each group."""
        result, start = [], 0
        for count in self.counts:
            result.append(slice(start, start + count))
            start += align(count, self.alignment)
        return result

    @property
    def total(self) -> int:
        return sum(align(count, self.alignment) for count in self.counts) + self.trailing

    def layout(self, device: torch.device) -> torch.Tensor:
        """The group of each row, -1 for padding."""
        group = torch.full((self.total,), -1, dtype=torch.int32)
        for index, rows in enumerate(self.slices):
            group[rows] = index
        return group.to(device)

    def psum(self, device: torch.device) -> torch.Tensor:
        """One past the last row of each group; an empty one ends where it starts."""
        ends = [rows.stop for rows in self.slices]
        return torch.tensor(ends, dtype=torch.int32, device=device)


def edge_counts(tile: int) -> tuple[int, ...]:
    """Empty groups at either end and in the middle, one row, and around a tile."""
    return (0, 1, tile - 1, 0, tile, tile + 1, 0)


def padding(layout: torch.Tensor) -> torch.Tensor:
    """Whether each row is padding."""
    return layout < 0


def spread_of(counts: Sequence[int]) -> str:
    return "+".join(str(count) for count in counts)
