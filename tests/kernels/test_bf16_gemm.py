"""`bf16_gemm_{nt,nn,tn,tt}` against the float64 product of the same operands."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.kernels.cases.case import Case, poisoned, same_bits, wrong
from tests.kernels.cases.dense import addend, bf16, bf16_matrix, judge
from tests.kernels.configurations import (
    Configuration,
    configurations,
    early_weights,
    forced,
    ordinary,
)
from tests.kernels.reference import F32_OF_BF16
from vllm.third_party import deep_gemm

pytestmark = pytest.mark.hopper

CONFIGURATIONS = configurations("bf16", grouped=False)
CHAINED = [
    each
    for each in CONFIGURATIONS
    if each.name in {f"bf16_nt_{name}_bf16" for name in ("m64n64", "m64n64k2", "m128n128")}
]
OUTPUTS = (torch.bfloat16, torch.float32)
MAJORS = list(product(("k", "mn"), repeat=2))
DEPTHS = (8, 64, 72, 520, 4096)


def of(
    config: Configuration, m: int, n: int, k: int, device: torch.device, *, with_c: bool = False
) -> Case:
    """A problem that the configuration serves."""
    a_major, b_major = config.a_major, config.b_major
    output = config.output
    return bf16(m, n, k, output, device, a_major=a_major, b_major=b_major, with_c=with_c)


def test_every_configuration_agrees_for_its_tails(
    config: Configuration, device: torch.device
) -> None:
    """Each pair of 1, tile - 1, tile, tile + 1 and each depth, with and without c."""
    rows, columns = ((1, tile - 1, tile, tile + 1) for tile in (config.tile_m, config.tile_n))
    assert not wrong(
        of(config, m, n, k, device, with_c=with_c)
        for m, n, k, with_c in product(rows, columns, DEPTHS, (False, True))
    )


@pytest.mark.parametrize("early", [False, True])
def test_every_configuration_agrees_for_a_small_problem(
    config: Configuration, early: bool, device: torch.device
) -> None:
    """Two ragged tiles with and without c: what compute-sanitizer runs on (CONTRIBUTING.md)."""
    m, n = config.tile_m + 1, config.tile_n + 8
    with early_weights(allowed=early):
        assert not wrong([of(config, m, n, 520, device)])
        assert not wrong([of(config, m, n - 1, 136, device, with_c=True)])


def test_every_configuration_agrees_for_few_rows(
    config: Configuration, device: torch.device
) -> None:
    """Tiles have as many rows as there are: each number up to two tiles of 64."""
    assert not wrong(of(config, m, 72, 136, device) for m in range(1, 129))


def test_every_configuration_agrees_for_many_tiles(
    config: Configuration, device: torch.device
) -> None:
    """Several tiles a block and ragged edges: persistence and the order of tiles lose and repeat
    none."""
    assert not wrong([of(config, 4096 + 65, 3072 + 24, 328, device)])


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize(("a_major", "b_major"), MAJORS)
def test_agrees_for_either_way_to_lie(
    a_major: str, b_major: str, output: torch.dtype, device: torch.device
) -> None:
    """Decode, ragged and large problems, whatever is chosen for them."""
    shapes = ((1, 7168, 2048), (64, 2112, 7168), (301, 577, 1000), (2048, 4096, 7168))
    assert not wrong(
        bf16(m, n, k, output, device, a_major=a_major, b_major=b_major) for m, n, k in shapes
    )


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_four_names_say_how_operands_are_stored(output: torch.dtype, device: torch.device) -> None:
    """n: as (m, k) and (k, n); t: transposed. All read the same values, and agree."""
    m, n, k = 264, 136, 520
    generator = torch.Generator(device=device).manual_seed(3)
    a, b = (bf16_matrix(rows, k, "k", generator) for rows in (m, n))
    stored_a, stored_b = a.T.contiguous(), b.T.contiguous()
    calls = {
        "nt": (deep_gemm.bf16_gemm_nt, a, b),
        "nn": (deep_gemm.bf16_gemm_nn, a, stored_b),
        "tn": (deep_gemm.bf16_gemm_tn, stored_a, stored_b),
        "tt": (deep_gemm.bf16_gemm_tt, stored_a, b),
    }
    for name, (function, left, right) in calls.items():
        d = poisoned(m, n, dtype=output, device=device)
        function(left, right, d)
        assert judge(d, a.double(), b.double(), None, F32_OF_BF16) < 1, name


@pytest.mark.parametrize("name", ["nt", "nn", "tn", "tt"])
def test_cublaslt_names_compute_the_same(name: str, device: torch.device) -> None:
    """DeepGEMM's names for the vendor's library, with and without c."""
    generator = torch.Generator(device=device).manual_seed(4)
    a, b = (bf16_matrix(rows, 520, "k", generator) for rows in (264, 136))
    left = a if name[0] == "n" else a.T.contiguous()
    right = b if name[1] == "t" else b.T.contiguous()
    function = getattr(deep_gemm, f"cublaslt_gemm_{name}")
    for c in (None, addend(264, 136, 520, torch.float32, device)):
        d = poisoned(264, 136, dtype=torch.float32, device=device)
        function(left, right, d, c)
        assert judge(d, a.double(), b.double(), c, F32_OF_BF16) < 1


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_c_may_be_d(output: torch.dtype, device: torch.device) -> None:
    """With c and d the same tensor the product is added in place."""
    generator = torch.Generator(device=device).manual_seed(5)
    a, b = (bf16_matrix(rows, 640, "k", generator) for rows in (200, 304))
    d = addend(200, 304, 640, output, device)
    before = d.clone()
    deep_gemm.bf16_gemm_nt(a, b, d, d)
    assert judge(d, a.double(), b.double(), before, F32_OF_BF16) < 1


@pytest.mark.parametrize(("a_major", "b_major"), MAJORS)
def test_reads_and_writes_windows_of_larger_tensors(
    a_major: str, b_major: str, device: torch.device
) -> None:
    """Operands and output with gaps between their rows; the rest of the output is untouched."""
    generator = torch.Generator(device=device).manual_seed(6)
    a = bf16_matrix(96, 512, a_major, generator)[8:80, 64:320]
    b = bf16_matrix(160, 512, b_major, generator)[16:152, 128:384]
    whole = torch.full((80, 160), 7.0, device=device)
    window = whole[2:74, 8:144]
    deep_gemm.bf16_gemm_nt(a, b, window)
    assert judge(window, a.double(), b.double(), None, F32_OF_BF16) < 1
    window.fill_(7.0)
    assert bool((whole == 7.0).all())


def test_empty_problems_return_and_k_of_zero_gives_c_or_zero(device: torch.device) -> None:
    """m = 0 and n = 0 launch nothing; k = 0 writes zeros, or c."""
    for m, n, k in ((0, 8, 64), (8, 0, 64)):
        bf16(m, n, k, torch.bfloat16, device).call()
    for with_c in (False, True):
        assert not wrong([bf16(5, 9, 0, torch.float32, device, with_c=with_c)])


def test_is_deterministic(device: torch.device) -> None:
    """The same operands give the same bits."""
    problem = bf16(1000, 1000, 2048, torch.float32, device)
    assert not wrong([problem])
    first = problem.d.clone()
    for _ in range(3):
        problem.call()
        assert same_bits(problem.d, first)


def test_refuses_operands_of_other_depths(device: torch.device) -> None:
    """Both shapes are in the message, and d stays as it was."""
    a, b = (torch.zeros(16, k, dtype=torch.bfloat16, device=device) for k in (64, 72))
    d = torch.full((16, 16), 3.0, device=device)
    with pytest.raises(ValueError, match=r"(?s)64.*72|72.*64"):
        deep_gemm.bf16_gemm_nt(a, b, d)
    assert bool((d == 3.0).all())


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("chained", CHAINED, ids=str)
def test_a_chain_reads_what_the_call_before_wrote(
    chained: Configuration, early: bool, device: torch.device
) -> None:
    """Dependent launches of our own, one after the other in two buffers, and again in a graph: the
    same bits as of launches that wait for each other's end.
    """
    generator = torch.Generator(device=device).manual_seed(chained.tile_m)
    first = torch.randn(100, 2048, dtype=torch.bfloat16, device=device, generator=generator)
    weights = torch.randn(8, 2048, 2048, dtype=torch.bfloat16, device=device, generator=generator)
    weights /= 2048**0.5
    buffers = (torch.empty_like(first), torch.empty_like(first))

    def chain() -> torch.Tensor:
        buffers[0].copy_(first)
        for call in range(32):
            source, target = buffers[call % 2], buffers[1 - call % 2]
            deep_gemm.bf16_gemm_nt(source, weights[call % 8], target)
        return buffers[0]

    with forced(chained):
        expected = ordinary(chain).clone()
        with early_weights(allowed=early):
            assert torch.equal(chain(), expected)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                result = chain()
    for _ in range(5):
        graph.replay()
        assert torch.equal(result, expected)


@pytest.mark.parametrize("chained", CHAINED, ids=str)
def test_early_weights_may_be_what_the_call_before_the_last_wrote(
    chained: Configuration, device: torch.device
) -> None:
    """One launch at most still runs when weights are read: those of the launch before it are there,
    however short the last one is.
    """
    generator = torch.Generator(device=device).manual_seed(chained.tile_n)
    x, y, a = (
        torch.randn(rows, 4096, dtype=torch.bfloat16, device=device, generator=generator)
        for rows in (2048, 4096, 64)
    )
    weights, short, d = (
        torch.empty(rows, columns, dtype=torch.bfloat16, device=device)
        for rows, columns in ((2048, 4096), (64, 64), (64, 2048))
    )

    def calls() -> torch.Tensor:
        weights.zero_()
        deep_gemm.bf16_gemm_nt(x, y, weights)
        deep_gemm.bf16_gemm_nt(a[:, :64], y[:64, :64], short)
        # What is written last is read first.
        deep_gemm.bf16_gemm_nt(a[:, -512:], weights[:, -512:], d)
        return d

    with forced(chained):
        expected = ordinary(calls).clone()
        with early_weights():
            for _ in range(10):
                assert torch.equal(calls(), expected)


def test_without_k_a_call_copies_what_the_call_before_wrote(device: torch.device) -> None:
    """With k = 0 nothing is loaded, and c is read by consumers alone: they wait, too."""
    a, b = (torch.randn(64, 16384, dtype=torch.bfloat16, device=device) for _ in range(2))
    c, d = (torch.empty(64, 64, dtype=torch.bfloat16, device=device) for _ in range(2))
    ordinary(lambda: deep_gemm.bf16_gemm_nt(a, b, c))
    expected = c.clone()
    for _ in range(10):
        c.zero_()
        deep_gemm.bf16_gemm_nt(a, b, c)
        deep_gemm.bf16_gemm_nt(a[:, :0], b[:, :0], d, c)
        assert torch.equal(d, expected)
