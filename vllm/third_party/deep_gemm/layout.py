"""Layouts of scale factors: the arithmetic and the copies that DeepGEMM's callers make.

The kernels' bulk copies read scale factors of rows column by column: MN-major, each column at a
multiple of 16 bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# A bulk tensor copy wants row strides that are multiples of this. Source: CUDA driver API,
# cuTensorMapEncodeTiled.
TMA_ALIGNMENT_BYTES = 16


def get_tma_aligned_size(extent: int, element_bytes: int) -> int:
    """Round `extent` (elements) up so that its bytes are a multiple of 16.

    Raises: ValueError unless `element_bytes` divides 16.
    """
    if element_bytes < 1 or TMA_ALIGNMENT_BYTES % element_bytes != 0:
        raise ValueError(f"element_bytes: expected a divisor of 16, got {element_bytes}")
    alignment = TMA_ALIGNMENT_BYTES // element_bytes
    return -(-extent // alignment) * alignment


def get_mn_major_tma_aligned_tensor(x: torch.Tensor) -> torch.Tensor:
    """Return `x` with its last-but-one dimension dense and each column at a multiple of 16 bytes.

    A tensor that is laid out so already is returned as it is.

    Shapes: (mn, k) or (groups, mn, k) f32 -> the same shape, strides (1, aligned mn) after any
        group stride.
    Raises: ValueError for another type or rank.
    """
    if x.dim() not in (2, 3) or str(x.dtype) != "torch.float32":
        raise ValueError(
            f"x: expected (mn, k) or (groups, mn, k) float32, got {tuple(x.shape)} {x.dtype}"
        )
    mn, k = x.shape[-2], x.shape[-1]
    aligned = get_tma_aligned_size(mn, x.element_size())
    wanted = (k * aligned, 1, aligned)[3 - x.dim() :]
    return x if x.stride() == wanted else copy_mn_major(x)


def copy_mn_major(x: torch.Tensor) -> torch.Tensor:
    """Copy `x` so that its last dimension but one is dense and each column 16-byte aligned.

    Shapes: (…, mn, k) -> the same.
    """
    mn, k = x.shape[-2], x.shape[-1]
    aligned = get_tma_aligned_size(mn, x.element_size())
    storage = x.new_empty((*x.shape[:-2], k, aligned))
    result = storage.transpose(-1, -2)[..., :mn, :]
    result.copy_(x)
    return result


def transform_sf_into_required_layout(  # noqa: PLR0917 - DeepGEMM's signature
    sf: torch.Tensor,
    mn: int,
    k: int,
    recipe: tuple[int, ...],
    num_groups: int | None = None,
    is_sfa: bool | None = None,
    disable_ue8m0_cast: bool = False,
    psum_layout: bool | None = None,
) -> torch.Tensor:
    """Check a scale tensor against its operand and return it in the layout of Hopper's kernels.

    Per-row scales (granularity 1 x 128) become MN-major and aligned, per-block ones (128 x 128)
    stay as they are.

    Shapes: `sf` ([num_groups,] ceil(mn / granularity_mn), ceil(k / granularity_k)) f32; `recipe` is
        (granularity_mn, granularity_k), or (of A's mn, of B's mn, of k) with `is_sfa` to tell
        which.
    Raises: ValueError names what differs; packed UE8M0 scales (integers) belong to Blackwell.
    Source: DeepGEMM 2.6.1, `transform_sf_into_required_layout`.
    """
    del disable_ue8m0_cast, psum_layout  # Blackwell's
    if str(sf.dtype) != "torch.float32":
        raise ValueError(
            f"sf: expected float32, got {sf.dtype} (packed UE8M0 scales are of Blackwell)"
        )
    per_mn, per_k = _granularity(recipe, is_sfa)
    groups = () if num_groups is None else (num_groups,)
    expected = (*groups, -(-mn // per_mn), -(-k // per_k))
    if tuple(sf.shape) != expected:
        raise ValueError(
            f"sf: expected shape {expected}, got {tuple(sf.shape)}; mn={mn}, k={k}, "
            f"granularity {per_mn} x {per_k}"
        )
    return get_mn_major_tma_aligned_tensor(sf) if per_mn == 1 else sf


def _granularity(recipe: tuple[int, ...], is_sfa: bool | None) -> tuple[int, int]:
    if len(recipe) == 3 and is_sfa is not None:
        recipe = (recipe[0] if is_sfa else recipe[1], recipe[2])
    if recipe in ((1, 128), (128, 128)):
        return recipe[0], recipe[1]
    raise ValueError(
        f"recipe: expected (1, 128) or (128, 128), or three numbers and is_sfa, "
        f"got {recipe}, is_sfa={is_sfa}"
    )
