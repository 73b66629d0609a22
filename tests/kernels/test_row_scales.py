"""`fp8_gemm_nt` with recipe (1, 1, 128): scale factors of rows on both sides, f32 output, c."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.kernels.cases.case import poisoned, same_bits, wrong
from tests.kernels.cases.dense import ROW_SCALES, addend, judge, row_scales
from tests.kernels.configurations import Configuration, configurations
from tests.kernels.reference import F32_OF_E4M3, operands
from vllm.third_party import deep_gemm

pytestmark = pytest.mark.hopper

CONFIGURATIONS = configurations("fp8_row_scales", grouped=False)
DEPTHS = (16, 128, 144, 1040, 7168)


def test_every_configuration_agrees_for_its_tails(
    config: Configuration, device: torch.device
) -> None:
    """Each pair of 1, tile - 1, tile, tile + 1 and each depth, with and without c."""
    rows, columns = ((1, tile - 1, tile, tile + 1) for tile in (config.tile_m, config.tile_n))
    assert not wrong(
        row_scales(m, n, k, device, with_c=with_c)
        for m, n, k, with_c in product(rows, columns, DEPTHS, (False, True))
    )


def test_every_configuration_agrees_for_a_small_problem(
    config: Configuration, device: torch.device
) -> None:
    """Two ragged tiles with and without c: what compute-sanitizer runs on (CONTRIBUTING.md)."""
    m, n = config.tile_m + 1, config.tile_n + 8
    assert not wrong([row_scales(m, n, 1040, device)])
    assert not wrong([row_scales(m, n - 1, 272, device, with_c=True)])


def test_every_configuration_agrees_for_many_tiles(
    config: Configuration, device: torch.device
) -> None:
    """Several tiles a block: persistence and the order of tiles lose and repeat none."""
    assert config.output == torch.float32
    assert not wrong([row_scales(4096 + 65, 3072 + 24, 640, device, with_c=True)])


@pytest.mark.parametrize(("m", "n", "k"), [(7168, 2112, 4096), (2048, 7168, 4096), (64, 256, 512)])
def test_agrees_for_weight_gradients(m: int, n: int, k: int, device: torch.device) -> None:
    """As training has them: rows of the weight by its columns, over tokens."""
    assert not wrong([row_scales(m, n, k, device, with_c=True)])


def test_the_product_is_added_in_place_where_c_is_d(device: torch.device) -> None:
    """What training accumulates into."""
    a, b = operands(200, 300, 640, device, seed=7, rows_per_scale_b=1)
    d = addend(200, 300, 640, torch.float32, device)
    before = d.clone()
    deep_gemm.fp8_gemm_nt(a.pair, b.pair, d, d, recipe=ROW_SCALES)
    assert judge(d, a.exact, b.exact, before, F32_OF_E4M3) < 1


def test_recipes_may_be_given_apart(device: torch.device) -> None:
    """recipe_a and recipe_b say the same as recipe."""
    a, b = operands(136, 264, 640, device, seed=8, rows_per_scale_b=1)
    results = [poisoned(136, 264, dtype=torch.float32, device=device) for _ in range(2)]
    deep_gemm.fp8_gemm_nt(a.pair, b.pair, results[0], recipe=ROW_SCALES)
    deep_gemm.fp8_gemm_nt(a.pair, b.pair, results[1], recipe_a=(1, 128), recipe_b=(1, 128))
    assert judge(results[0], a.exact, b.exact, None, F32_OF_E4M3) < 1
    assert same_bits(*results)


def test_refuses_scales_of_blocks(device: torch.device) -> None:
    """Scale factors of 128 rows each are not one a row; d stays as it was."""
    a, b = operands(16, 256, 640, device, seed=9)
    d = torch.full((16, 256), 3.0, device=device)
    with pytest.raises(ValueError, match=r"scale_b|sf"):
        deep_gemm.fp8_gemm_nt(a.pair, b.pair, d, recipe=ROW_SCALES)
    assert bool((d == 3.0).all())
