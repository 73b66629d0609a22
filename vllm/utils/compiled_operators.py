"""The operators of `vllm/_C.abi3.so`: loaded where they are built, fakes for tracing, and functions
that allocate what the operators write.

Every operator writes into tensors of its caller's, so a CUDA graph captures launches and no
allocation.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from vllm.utils.optional_kernels import probe

GROUP = 128  # elements of a row that share a scale
# Columns of scales begin at multiples of 16 bytes. Source: third_party/deep_gemm/layout.py.
SCALES_ALIGNMENT = 4
ALIGNMENT = 128  # rows: a group of the contiguous layout begins at a multiple of it
OPERATORS = (
    "moe_permute",
    "moe_unpermute",
    "per_token_group_quant_fp8",
    "rotary_embedding",
    "rotary_embedding_out",
    "silu_and_mul",
    "silu_and_mul_per_token_group_quant_fp8",
)


class OperatorUnavailableError(RuntimeError):
    """An operator was called that is not built here; the message says how to build it."""


class Permuted(NamedTuple):
    """Rows by expert, in DeepGEMM's contiguous grouped layout; rows of padding hold anything.

    Shapes: rows (m, hidden), grouped_layout (m,) int32 with -1 for padding, row_of_slot (tokens,
        choices) int32 with -1 for experts elsewhere, group_sizes (experts,) int32 without padding.
    """

    rows: torch.Tensor
    grouped_layout: torch.Tensor
    row_of_slot: torch.Tensor
    group_sizes: torch.Tensor


def load() -> Mapping[str, frozenset[str]]:
    """Load the extension where it is built; return the devices that each operator has a version
    for.

    A binary of another build may serve some of them; fakes are for our own.
    """
    if importlib.util.find_spec("vllm._C") is None:
        return _devices
    probe("vllm._C", "__file__")  # registers its operators; a broken binary is said
    found = {name: _devices_of(name) for name in OPERATORS if hasattr(torch.ops._C, name)}
    if len(found) == len(OPERATORS) and not _devices:
        for name in found:
            torch.library.register_fake(f"_C::{name}", _writes_only)
    _devices.update(found)
    return _devices


def _devices_of(name: str) -> frozenset[str]:
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    return frozenset(kind for kind in ("cpu", "cuda") if has_kernel(f"_C::{name}", kind.upper()))


def is_served(name: str, device_type: str) -> bool:
    """Whether an operator is built here for a kind of device."""
    return device_type in _devices.get(name, ())


def rotary_embedding(
    positions: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor | None,
    head_size: int,
    cos_sin_cache: torch.Tensor,
    is_neox: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return query and key rotated by the table's row of each token's position.

    On a GPU no position is checked against the table.

    Shapes: positions (tokens,); query and key (tokens, heads * head_size) or (tokens, heads,
        head_size); cos_sin_cache (positions, rotary_dim) float32 or query's type, cos before sin.
    """
    turned = torch.empty_like(query, memory_format=torch.contiguous_format)
    turned_key = None
    if key is not None:
        turned_key = torch.empty_like(key, memory_format=torch.contiguous_format)
    call = _required("rotary_embedding_out", query)
    call(positions, query, key, head_size, cos_sin_cache, is_neox, turned, turned_key)
    return turned, turned_key


def silu_and_mul(x: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) * up, computed in float32.

    Shapes: x (..., 2 n), gate before up -> (..., n).
    """
    result = x.new_empty((*x.shape[:-1], x.shape[-1] // 2))
    _required("silu_and_mul", x)(result, x)
    return result


def per_token_group_quant_fp8(
    x: torch.Tensor, *, column_major_scales: bool = True, eps: float = 1e-10
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x in e4m3, and a scale for each 128 elements of a row: their largest magnitude / 448.

    Shapes: x (rows, n) -> (rows, n) e4m3, (rows, ceil(n / 128)) float32: MN-major with columns
        16-byte aligned, as DeepGEMM wants it, or row by row.
    """
    quantised, scales = _quantised(x, x.shape[-1], column_major_scales)
    _required("per_token_group_quant_fp8", x)(x, quantised, scales, GROUP, eps)
    return quantised, scales


def silu_and_mul_per_token_group_quant_fp8(
    x: torch.Tensor, *, column_major_scales: bool = True, eps: float = 1e-10
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return silu(gate) * up quantised; the product itself is never stored or rounded.

    Shapes: x (rows, 2 n) -> as `per_token_group_quant_fp8` of (rows, n).
    """
    quantised, scales = _quantised(x, x.shape[-1] // 2, column_major_scales)
    call = _required("silu_and_mul_per_token_group_quant_fp8", x)
    call(x, quantised, scales, GROUP, eps)
    return quantised, scales


def moe_permute(
    x: torch.Tensor, topk_ids: torch.Tensor, num_experts: int, *, alignment: int = ALIGNMENT
) -> Permuted:
    """Gather each expert's rows of x, in the order of tokens, at multiples of `alignment`.

    An expert outside of [0, num_experts) belongs to another rank and takes no row. How many rows
    there are does not depend on the choices, so that nothing waits for the GPU.

    Shapes: x (tokens, hidden) of any type, topk_ids (tokens, choices) int32 or int64.
    """
    slots = topk_ids.numel()
    most = slots + min(slots, num_experts) * (alignment - 1)
    rows = -(-most // alignment) * alignment
    result = Permuted(
        rows=x.new_empty((rows, x.shape[1])),
        grouped_layout=topk_ids.new_empty(rows, dtype=torch.int32),
        row_of_slot=topk_ids.new_empty(topk_ids.shape, dtype=torch.int32),
        group_sizes=topk_ids.new_empty(num_experts, dtype=torch.int32),
    )
    _required("moe_permute", x)(x, topk_ids, num_experts, alignment, *result)
    return result


def moe_unpermute(
    permuted: torch.Tensor, row_of_slot: torch.Tensor, topk_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return for each token the sum of its slots' rows, weighted, in float32 before it is rounded.

    Shapes: permuted (m, hidden), row_of_slot (tokens, choices) int32, topk_weights the same
        float32 -> (tokens, hidden).
    """
    result = permuted.new_empty((row_of_slot.shape[0], permuted.shape[1]))
    _required("moe_unpermute", permuted)(permuted, row_of_slot, topk_weights, result)
    return result


def _quantised(
    x: torch.Tensor, columns: int, column_major_scales: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    rows, groups = x.shape[0], -(-columns // GROUP)
    quantised = x.new_empty((rows, columns), dtype=torch.float8_e4m3fn)
    if not column_major_scales:
        return quantised, x.new_empty((rows, groups), dtype=torch.float32)
    aligned = -(-rows // SCALES_ALIGNMENT) * SCALES_ALIGNMENT
    columns_of_scales = x.new_empty((groups, aligned), dtype=torch.float32)
    return quantised, columns_of_scales.t()[:rows]


def _required(name: str, x: torch.Tensor) -> Any:
    if not is_served(name, x.device.type):
        raise OperatorUnavailableError(
            f"torch.ops._C.{name}: expected it in vllm/_C.abi3.so for {x.device.type}, found none; "
            "try: cmake --preset release && cmake --build --preset release --target install"
        )
    return getattr(torch.ops._C, name)


def _writes_only(*_operands: Any) -> None:
    """Stand for an operator that returns nothing."""


_devices: dict[str, frozenset[str]] = {}
load()  # at import: code that is traced must find it done
