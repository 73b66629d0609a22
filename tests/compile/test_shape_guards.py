"""Guards: written in one shape environment, they mean the same in another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    ShapeEnv,
    StatelessSymbolicContext,
)

from vllm.compilation.shape_guards import (
    UNKNOWN,
    impose,
    known_guards,
    symbolic_sizes,
)


def tensors(*sizes: int, columns: int = 8) -> list[Any]:
    """Return fake tensors of sizes that are a symbol each, in an environment of their own."""
    mode = FakeTensorMode(shape_env=ShapeEnv(duck_shape=False))
    context = StatelessSymbolicContext([DimDynamic.DYNAMIC, DimDynamic.STATIC])
    return [
        mode.from_tensor(torch.zeros(size, columns), symbolic_context=context) for size in sizes
    ]


# What is assumed of sizes 6 and 6, sizes for which it holds, and for which it does not.
ASSUMED: dict[str, tuple[Callable[[Any, Any], Any], tuple[int, int], tuple[int, int]]] = {
    "range": (lambda a, b: a < 100, (50, 3), (100, 3)),
    "divisible": (lambda a, b: a % 2 == 0, (8, 3), (9, 3)),
    "constant": (lambda a, b: a == 6, (6, 3), (7, 3)),
    "equal": (lambda a, b: a == b, (5, 5), (5, 4)),
    "together": (lambda a, b: a * b < 100, (5, 5), (50, 5)),
    "linear": (lambda a, b: a + b == 12, (5, 7), (5, 8)),
}


@pytest.mark.parametrize("name", ASSUMED)
def test_guards_are_imposed_on_sizes_of_which_they_hold_and_on_no_others(name: str) -> None:
    """Also where the compiler made one size of two; what does not hold leaves nothing behind."""
    assume, good, bad = ASSUMED[name]
    made = tensors(6, 6)
    sizes = symbolic_sizes(made)
    assert assume(made[0].shape[0], made[1].shape[0])
    guards = known_guards(sizes)
    loaded, refused = tensors(*good), tensors(*bad)
    assert impose(guards, symbolic_sizes(loaded))
    assert not impose(guards, symbolic_sizes(refused))
    environments = [each[0].shape[0].node.shape_env for each in (loaded, refused)]
    assert [bool(environment.guards) for environment in environments] == [True, False]
    assert assume(loaded[0].shape[0], loaded[1].shape[0]), "Dynamo was told"


def test_a_size_that_only_a_stride_or_an_offset_tells_counts() -> None:
    """A compiler may assume something of it."""
    turned = tensors(6)[0].t().contiguous()
    assert known_guards(symbolic_sizes([turned])) is not None
    for told in (turned[:, 0], turned[1, 2:3]):
        assert not any(isinstance(size, torch.SymInt) for size in told.shape)
        assert len(symbolic_sizes([told])) == 1
    assert symbolic_sizes([tensors(6)[0][0]]) == ()


def test_what_torch_cannot_say_holds_of_nothing() -> None:
    """And no guards hold of everything."""
    sizes = symbolic_sizes(tensors(6))
    assert impose(None, sizes)
    assert impose(None, ())
    assert not impose(UNKNOWN, sizes)
    assert not impose(UNKNOWN, ())
