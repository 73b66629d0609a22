"""One call of one function on random operands, and what its output has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

POISON = float("nan")


@dataclass(frozen=True, kw_only=True)
class Case:
    """`call` writes `d`, which starts poisoned; `judge` reads it and the operands as they are then.

    `judge` returns the worst relative error as a share of what it may be: below one it is right,
    infinite where anything was written that should not, or left that should be written.
    """

    name: str
    values: torch.Tensor  # A's elements, which a test may change between calls
    d: torch.Tensor
    call: Callable[[], object]
    judge: Callable[[], float]

    def share(self) -> float:
        """Call and judge."""
        self.call()
        return self.judge()


def poisoned(*shape: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return a tensor that is no number anywhere."""
    return torch.full(shape, POISON, dtype=dtype, device=device)


def bits(x: torch.Tensor) -> torch.Tensor:
    """Return the elements as integers, which compare where numbers would not."""
    return x.contiguous().view({1: torch.uint8, 2: torch.int16, 4: torch.int32}[x.element_size()])


def same_bits(x: torch.Tensor, y: torch.Tensor) -> bool:
    return bool(torch.equal(bits(x), bits(y)))


def wrong(cases: Iterable[Case]) -> list[str]:
    """Call each and return what to print of those that are wrong."""
    shares = ((case.name, case.share()) for case in cases)
    return [f"{name}: {share:.2f} of the tolerance" for name, share in shares if not share < 1]
