"""How far two tensors are apart, and how many bytes tensors have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    Tensors = Union[torch.Tensor, Sequence["Tensors"], None]  # noqa: UP007 - one part is a string


def calc_diff(x: torch.Tensor, y: torch.Tensor) -> float:
    """Return 1 - 2 x.y / (x.x + y.y) in float64: 0 where equal, about half of the squared relative
    error where near, not a number where anything is none.
    """
    x, y = x.double(), y.double()
    norms = float((x * x + y * y).sum())
    return 1 - 2 * float((x * y).sum()) / norms if norms != 0 else 0.0


def count_bytes(*tensors: Tensors) -> int:
    """Return the bytes of all elements; tuples and lists are looked into, None has none."""
    total = 0
    for each in tensors:
        if isinstance(each, (tuple, list)):
            total += count_bytes(*each)
        elif each is not None:
            total += each.numel() * each.element_size()  # type: ignore[union-attr]
    return total
