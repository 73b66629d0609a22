"""Every operator as torch.compile meets it: schemas say what is written, fakes stand for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.ops.reference import random
from vllm.utils import compiled_operators as ops


def of_operators(device: torch.device) -> dict[str, tuple[Any, ...]]:
    """Operands for each operator."""
    x = random(4, 256, device=device, dtype=torch.float32)
    q, s = ops.per_token_group_quant_fp8(x)
    half_q, half_s = ops.silu_and_mul_per_token_group_quant_fp8(x)
    ids = torch.tensor([[0, 1], [1, 2], [2, 0], [5, 1]], device=device)
    permuted = ops.moe_permute(x, ids, 3)
    positions = torch.arange(4, device=device)
    table = random(8, 32, device=device, dtype=torch.float32)
    rotary = (positions, x, x[:, :64].clone(), 32, table, True)
    return {
        "moe_permute": (x, ids, 3, 128, *permuted),
        "moe_unpermute": (permuted.rows.fill_(1), permuted.row_of_slot, None, x.clone()),
        "per_token_group_quant_fp8": (x, q, s),
        "rotary_embedding": rotary,
        "rotary_embedding_out": (*rotary, x.clone(), rotary[2].clone()),
        "silu_and_mul": (x[:, :128].clone(), x),
        "silu_and_mul_per_token_group_quant_fp8": (x, half_q, half_s),
    }


@pytest.mark.parametrize("name", ops.OPERATORS)
def test_schemas_and_fakes_are_true(name: str, device: torch.device) -> None:
    """What an operator writes is in its schema, and nothing else is written."""
    operands = of_operators(device)[name]
    # Limit: torch 2.13 compares what was written by a product that e4m3 has not.
    writes_e4m3 = any(getattr(each, "dtype", None) == torch.float8_e4m3fn for each in operands)
    utilities = ("test_faketensor",) if writes_e4m3 else ("test_schema", "test_faketensor")
    torch.library.opcheck(getattr(torch.ops._C, name).default, operands, test_utils=utilities)


@pytest.mark.parametrize(
    "function",
    [
        ops.silu_and_mul,
        ops.per_token_group_quant_fp8,
        ops.silu_and_mul_per_token_group_quant_fp8,
        lambda x: ops.rotary_embedding(torch.arange(4, device=x.device), x, None, 64, x, True)[0],
        lambda x: ops.moe_unpermute(
            *ops.moe_permute(x, torch.tensor([[0, 1]] * 4, device=x.device), 2)[0:3:2]
        ),
    ],
    ids=["silu_and_mul", "quantise", "fused", "rotary", "moe"],
)
def test_traced_code_is_one_graph_and_gives_the_same(
    function: Callable[[torch.Tensor], Any], device: torch.device
) -> None:
    """Shapes of results are known without running anything."""
    x = random(4, 256, device=device, dtype=torch.float32)
    if function.__name__ == "<lambda>":
        x = x[:, :64].contiguous()
    torch.compiler.reset()
    traced = torch.compile(function, fullgraph=True, backend="aot_eager")(x)
    plain = function(x)
    pairs = (
        [(traced, plain)] if isinstance(plain, torch.Tensor) else zip(traced, plain, strict=True)
    )
    for found, wanted in pairs:
        assert torch.equal(found.float(), wanted.float())
        assert found.stride() == wanted.stride()


def test_an_operator_that_is_not_built_says_how_to_build_it() -> None:
    """A device that no operator has a version for."""
    with pytest.raises(
        ops.OperatorUnavailableError, match=r"for meta, found none; try: cmake --pre"
    ):
        ops.silu_and_mul(torch.empty(2, 8, device="meta"))
