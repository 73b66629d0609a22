"""`fp8_gemm_nt` against the float64 product of the same quantised operands."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.kernels.cases.dense import with_scales_as_read
from tests.kernels.configurations import (
    Configuration,
    configurations,
    early_weights,
    ordinary,
)
from tests.kernels.reference import (
    operands,
    relative_error,
    share_of_tolerance,
    tolerance,
)
from vllm.third_party import deep_gemm

pytestmark = pytest.mark.hopper

POISON = float("nan")
DEPTHS = (16, 128, 144, 512, 7168)
CONFIGURATIONS = configurations("fp8", grouped=False)
OUTPUTS = (torch.bfloat16, torch.float32)


def check(
    m: int, n: int, k: int, output: torch.dtype, device: torch.device, *, with_c: bool = False
) -> float:
    """Run one problem into the first rows of a poisoned output and return its relative error as a
    share of what it may be."""
    a, b = operands(m, n, k, device, seed=m * 7 + n * 3 + k)
    spare = torch.full((m + 64, n), POISON, dtype=output, device=device)
    d = spare[:m]
    reference = a.exact @ b.exact.T
    c = None
    if with_c:
        c = (torch.randn(m, n, device=device) * float(reference.std() if m * n > 1 else 1)).to(
            output
        )
        reference = reference + c.double()
    deep_gemm.fp8_gemm_nt(a.pair, b.pair, d, c)
    assert bool(spare[m:].isnan().all()), "rows behind the last are written"
    return share_of_tolerance(d, reference, a.exact, b.exact)


def test_every_configuration_agrees_for_its_tails(
    config: Configuration, device: torch.device
) -> None:
    """Each pair of 1, tile - 1, tile, tile + 1 and each depth agrees with float64, with and without
    c."""
    rows, columns = ((1, tile - 1, tile, tile + 1) for tile in (config.tile_m, config.tile_n))
    errors = {
        (m, n, k, with_c): check(m, n, k, config.output, device, with_c=with_c)
        for m, n, k, with_c in product(rows, columns, DEPTHS, (False, True))
    }
    worst = max(errors, key=lambda case: errors[case])
    assert errors[worst] < 1, f"(m, n, k, with c) {worst}: {errors[worst]:.2f} of the tolerance"


@pytest.mark.parametrize("early", [False, True])
def test_every_configuration_agrees_for_a_small_problem(
    config: Configuration, early: bool, device: torch.device
) -> None:
    """Two ragged tiles with and without c: what compute-sanitizer runs on (CONTRIBUTING.md)."""
    m, n = config.tile_m + 1, config.tile_n + 8
    with early_weights(allowed=early):
        assert check(m, n, 1040, config.output, device) < 1
        assert check(m, n - 1, 272, config.output, device, with_c=True) < 1


def test_every_configuration_agrees_for_few_rows(
    config: Configuration, device: torch.device
) -> None:
    """Tiles have as many rows as there are: each number up to two tiles of 64."""
    worst = {m: check(m, 72, 272, config.output, device, with_c=m % 2 == 0) for m in range(1, 129)}
    assert max(worst.values()) < 1, {m: error for m, error in worst.items() if error >= 1}


def test_every_configuration_agrees_for_many_tiles(
    config: Configuration, device: torch.device
) -> None:
    """Several tiles a block and ragged edges: persistence and the order of tiles lose and repeat
    none."""
    assert check(4096 + 65, 3072 + 24, 640, config.output, device) < 1


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(4096, 2112, 7168), (1024, 24576, 1536), (8192, 7168, 2048), (64, 7168, 16384)],
)
def test_agrees_for_published_shapes(
    m: int, n: int, k: int, output: torch.dtype, device: torch.device
) -> None:
    """Many tiles a block: persistence and the order of tiles lose and repeat none."""
    assert check(m, n, k, output, device) < 1


def test_agrees_for_random_problems(device: torch.device) -> None:
    """200 random problems in a row agree."""
    generator = torch.Generator().manual_seed(2026)
    for _ in range(200):
        m, n, k16 = (
            int(torch.randint(1, high, (), generator=generator)) for high in (600, 600, 130)
        )
        output = OUTPUTS[int(torch.randint(0, 2, (), generator=generator))]
        assert check(m, n, 16 * k16, output, device) < 1, (m, n, 16 * k16, output)


@pytest.mark.parametrize("rows", [133, 1029])
def test_reads_scales_of_any_strides(rows: int, device: torch.device) -> None:
    """MN-major, row-major and sliced scales give the same bits, for few rows and for many."""
    a, b = operands(rows, 260, 1024, device, seed=5)
    sliced_a = torch.zeros(rows * 2, 8 * 3, device=device)[::2, ::3].copy_(a.scales)
    sliced_b = torch.zeros(3 * 2, 8 * 3, device=device)[::2, ::3].copy_(b.scales)
    layouts = [
        (deep_gemm.get_mn_major_tma_aligned_tensor(a.scales), b.scales),
        (a.scales.T.contiguous().T, b.scales.T.contiguous().T),
        (a.scales, b.scales),
        (sliced_a, sliced_b),
    ]
    results = []
    for scale_a, scale_b in layouts:
        results.append(torch.full((rows, 260), POISON, dtype=torch.bfloat16, device=device))
        deep_gemm.fp8_gemm_nt((a.values, scale_a), (b.values, scale_b), results[-1])
    exact = a.exact @ b.exact.T
    assert relative_error(results[0], exact) < tolerance(exact, torch.bfloat16)
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_writes_only_its_rows_and_columns(device: torch.device) -> None:
    """An output that is a window of a larger tensor leaves the rest of it untouched."""
    a, b = operands(70, 136, 256, device, seed=6)
    for offset in (0, 8):
        whole = torch.full((80, 160), 7.0, dtype=torch.bfloat16, device=device)
        window = whole[2:72, offset : offset + 136]
        deep_gemm.fp8_gemm_nt(a.pair, b.pair, window)
        assert relative_error(window, a.exact @ b.exact.T) < tolerance(
            a.exact @ b.exact.T, torch.bfloat16
        )
        window.fill_(7.0)
        assert bool((whole == 7.0).all())


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_c_may_be_d(output: torch.dtype, device: torch.device) -> None:
    """With c and d the same tensor the product is added in place."""
    a, b = operands(200, 300, 640, device, seed=7)
    d = (torch.randn(200, 300, device=device) * 50).to(output)
    reference = a.exact @ b.exact.T + d.double()
    deep_gemm.fp8_gemm_nt(a.pair, b.pair, d, d)
    assert relative_error(d, reference) < tolerance(reference, output)


def test_empty_problems_return_and_k_of_zero_gives_c_or_zero(device: torch.device) -> None:
    """m = 0 and n = 0 launch nothing; k = 0 writes zeros, or c."""
    for m, n in ((0, 5), (5, 0)):
        a, b = operands(m, n, 128, device, seed=1)
        deep_gemm.fp8_gemm_nt(
            a.pair, b.pair, torch.empty(m, n, dtype=torch.bfloat16, device=device)
        )
    a, b = operands(5, 9, 0, device, seed=1)
    d = torch.full((5, 9), POISON, device=device)
    c = torch.randn(5, 9, device=device)
    deep_gemm.fp8_gemm_nt(a.pair, b.pair, d)
    assert bool((d == 0).all())
    deep_gemm.fp8_gemm_nt(a.pair, b.pair, d, c)
    assert torch.equal(d, c)


def test_scale_factors_of_b_may_be_what_the_call_before_wrote(device: torch.device) -> None:
    """Consumers read them, and wait for the end of that call before they do."""
    long_a, long_b = operands(2, 56, 57344, device, seed=11)
    scales = torch.empty(2, 56, device=device)
    a, b = operands(64, 256, 7168, device, seed=12)
    a_pair = with_scales_as_read(a)  # a copy would stand between the two calls
    d = torch.empty(64, 256, dtype=torch.bfloat16, device=device)

    def chain() -> torch.Tensor:
        scales.zero_()
        deep_gemm.fp8_gemm_nt(long_a.pair, long_b.pair, scales)
        deep_gemm.fp8_gemm_nt(a_pair, (b.values, scales), d)
        return d

    expected = ordinary(chain).clone()
    assert bool(expected.any())
    for _ in range(10):
        d.fill_(POISON)
        assert torch.equal(chain(), expected)


def test_follows_the_current_stream(device: torch.device) -> None:
    """On a side stream the kernel waits for that stream's earlier work, not for the default
    stream's."""
    a, b = operands(256, 512, 1024, device, seed=8)
    late = torch.zeros_like(a.values)
    d = torch.full((256, 512), POISON, dtype=torch.bfloat16, device=device)
    stream = torch.cuda.Stream(device)
    torch.cuda.synchronize(device)
    with torch.cuda.stream(stream):
        torch.cuda._sleep(
            50_000_000
        )  # the copy below is late: a launch on another stream would read zeros
        late.copy_(a.values)
        deep_gemm.fp8_gemm_nt((late, a.scales), b.pair, d)
    stream.synchronize()
    assert relative_error(d, a.exact @ b.exact.T) < tolerance(a.exact @ b.exact.T, torch.bfloat16)


def test_is_captured_by_a_graph(device: torch.device) -> None:
    """A captured launch computes nothing at capture, and replays with the inputs of the moment."""
    a, b = operands(130, 260, 512, device, seed=9)
    later, _ = operands(130, 260, 512, device, seed=10)
    values, scales = a.values.clone(), a.scales.clone()
    d = torch.full((130, 260), POISON, dtype=torch.float32, device=device)
    deep_gemm.fp8_gemm_nt((values, scales), b.pair, d)
    d.fill_(POISON)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        deep_gemm.fp8_gemm_nt((values, scales), b.pair, d)
    assert bool(torch.isnan(d).all())
    for source in (a, later):
        values.copy_(source.values)
        scales.copy_(source.scales)
        graph.replay()
        assert relative_error(d, source.exact @ b.exact.T) < tolerance(
            source.exact @ b.exact.T, torch.float32
        )


def test_is_deterministic(device: torch.device) -> None:
    """The same operands give the same bits."""
    a, b = operands(1000, 1000, 2048, device, seed=11)
    outs = [torch.empty(1000, 1000, device=device) for _ in range(4)]
    for out in outs:
        deep_gemm.fp8_gemm_nt(a.pair, b.pair, out)
    assert all(torch.equal(outs[0], out) for out in outs[1:])


def test_a_limit_of_multiprocessors_changes_no_result(device: torch.device) -> None:
    """set_num_sms limits the blocks of a launch; get_num_sms tells the limit, or the device's
    number."""
    a, b = operands(1000, 520, 512, device, seed=12)
    plain, limited = (torch.empty(1000, 520, device=device) for _ in range(2))
    assert deep_gemm.get_num_sms() == torch.cuda.get_device_properties(device).multi_processor_count
    deep_gemm.fp8_gemm_nt(a.pair, b.pair, plain)
    deep_gemm.set_num_sms(3)
    try:
        assert deep_gemm.get_num_sms() == 3
        deep_gemm.fp8_gemm_nt(a.pair, b.pair, limited)
    finally:
        deep_gemm.set_num_sms(0)
    assert relative_error(limited, plain.double()) < 1e-6


@pytest.mark.parametrize("operand", ["a", "scale_a", "b", "scale_b", "d"])
def test_refuses_an_operand_on_the_cpu(operand: str, device: torch.device) -> None:
    """One operand elsewhere is a ValueError with its name, and d stays as it was."""
    a, b = operands(16, 16, 128, device, seed=13)
    tensors = {"a": a.values, "scale_a": a.scales, "b": b.values, "scale_b": b.scales}
    tensors["d"] = torch.full((16, 16), 3.0, device=device)
    moved = {name: tensor.cpu() if name == operand else tensor for name, tensor in tensors.items()}
    with pytest.raises(ValueError, match=rf"^{operand}: expected a CUDA tensor, got a CPU one"):
        deep_gemm.fp8_gemm_nt(
            (moved["a"], moved["scale_a"]), (moved["b"], moved["scale_b"]), moved["d"]
        )
    assert bool((tensors["d"] == 3.0).all())


def test_refuses_misaligned_memory(device: torch.device) -> None:
    """An operand that starts off a multiple of 16 bytes is a ValueError that names it."""
    a, b = operands(16, 16, 128, device, seed=14)
    shifted = (
        torch.empty(16 * 128 + 8, dtype=torch.uint8, device=device)[8:]
        .view(torch.float8_e4m3fn)
        .view(16, 128)
    )
    with pytest.raises(ValueError, match=r"^a: expected an address aligned to 16 bytes"):
        deep_gemm.fp8_gemm_nt((shifted, a.scales), b.pair, torch.empty(16, 16, device=device))
