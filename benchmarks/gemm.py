"""Time our FP8 GEMM against DeepGEMM's and torch's blockwise scaled mm: same inputs, same run,
methods taking turns.

Each method's calls are captured in one CUDA graph that walks through input sets larger than the L2
cache together; replays of all methods alternate, and the median counts. Every method's result is
checked against float64 first. Prints a table, writes JSON (`--output`) and, where matplotlib is
there, a plot beside it.

    python benchmarks/gemm.py --output benchmarks/results/dense.json
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.record import write_record
from tests.kernels.reference import Quantised, operands, relative_error
from vllm.third_party import deep_gemm as ours

# The shapes that DeepGEMM publishes for DeepSeek-V3, and the rows of decode and prefill.
WEIGHTS = ((2112, 7168), (24576, 1536), (32768, 512), (7168, 16384), (4096, 7168), (7168, 2048))
ROWS = (64, 128, 1024, 4096, 8192)
L2_BYTES = 60 << 20
# Ceilings measured on an H200 (copy rate; the best that any of the methods reached on these
# shapes).
BYTES_PER_SECOND = 4.3e12
OPERATIONS_PER_SECOND = 1.47e15
REPLAYS = 24

Call = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """One set of operands: what every method is given, each in the layout that it wants."""

    a: Quantised
    b: Quantised
    scale_a: torch.Tensor  # MN-major
    d: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Row:
    """One shape's result; times in microseconds a call."""

    m: int
    n: int
    k: int
    microseconds: dict[str, float]
    floor: float
    bound_by: str
    tflops: float
    terabytes_per_second: float

    @property
    def best_peer_over_ours(self) -> float:
        peers = [time for name, time in self.microseconds.items() if name != "ours"]
        return min(peers) / self.microseconds["ours"] if peers else math.nan


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the chosen shapes, print the table, write what was asked for."""
    options = _parser().parse_args(arguments)
    device = torch.device("cuda")
    shapes = [(m, n, k) for n, k in WEIGHTS for m in ROWS if m in options.rows]
    rows = []
    print(
        f"{'m':>6} {'n':>6} {'k':>6} {'ours':>8} {'deep_gemm':>10} {'torch':>8} "
        f"{'floor':>7} {'ratio':>6} config"
    )
    for shape in shapes:
        row = measure(*shape, device)
        rows.append(row)
        cells = [
            f"{row.microseconds.get(name, math.nan):.1f}" for name in ("ours", "deep_gemm", "torch")
        ]
        chosen, _ = ours._C.explain(*shape, 2, ours.get_num_sms())
        print(
            f"{row.m:6} {row.n:6} {row.k:6} {cells[0]:>8} {cells[1]:>10} {cells[2]:>8} "
            f"{row.floor:7.1f} {row.best_peer_over_ours:6.2f} {chosen}",
            flush=True,
        )
    for title, chosen_rows in _groups(rows):
        print(f"best peer / ours, geometric mean, {title}: {_mean(chosen_rows):.3f}")
    if options.output:
        write(rows, options.output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, nargs="*", default=list(ROWS), help="values of m to measure"
    )
    parser.add_argument(
        "--output", type=Path, help="JSON file; a plot of the same name is written beside it"
    )
    return parser


def _groups(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    yield "all", list(rows)
    yield "m <= 128", [row for row in rows if row.m <= 128]
    yield "m > 128", [row for row in rows if row.m > 128]


def _mean(rows: Sequence[Row]) -> float:
    return (
        statistics.geometric_mean([row.best_peer_over_ours for row in rows]) if rows else math.nan
    )


def measure(m: int, n: int, k: int, device: torch.device) -> Row:
    """Time every method that runs here on one shape."""
    floor_bytes = bytes_of(m, n, k)
    inputs = [make_inputs(m, n, k, device, seed) for seed in range(input_sets(m, n, k))]
    graphs = {name: capture([make(i) for i in inputs]) for name, make in methods(inputs[0]).items()}
    times: dict[str, list[float]] = {name: [] for name in graphs}
    for _ in range(REPLAYS):
        for name, graph in graphs.items():
            times[name].append(replay(graph) / len(inputs))
    microseconds = {name: statistics.median(values) for name, values in times.items()}
    byte_time = floor_bytes / BYTES_PER_SECOND * 1e6
    operation_time = 2 * m * n * k / OPERATIONS_PER_SECOND * 1e6
    return Row(
        m=m,
        n=n,
        k=k,
        microseconds=microseconds,
        floor=max(byte_time, operation_time),
        bound_by="bytes" if byte_time > operation_time else "operations",
        tflops=2 * m * n * k / microseconds["ours"] / 1e6,
        terabytes_per_second=floor_bytes / microseconds["ours"] / 1e6,
    )


def bytes_of(m: int, n: int, k: int) -> int:
    """Return the fewest bytes that a call moves: operands read once, bf16 output written once."""
    return m * k + n * k + 2 * m * n


def input_sets(m: int, n: int, k: int) -> int:
    """Return how many input sets are more than L2 holds, within reason."""
    return min(40, max(2, math.ceil(3 * L2_BYTES / bytes_of(m, n, k))))


def make_inputs(m: int, n: int, k: int, device: torch.device, seed: int) -> Inputs:
    """Draw one set of operands; with seed 0 it keeps what a float64 reference needs."""
    a, b = operands(m, n, k, device, seed)
    empty = torch.empty(0, device=device)
    if seed > 0:  # only the first set is checked: float64 copies of all would not fit
        a = Quantised(values=a.values, scales=a.scales, exact=empty)
        b = Quantised(values=b.values, scales=b.scales, exact=empty)
    scale_a = ours.get_mn_major_tma_aligned_tensor(a.scales)
    return Inputs(
        a=a, b=b, scale_a=scale_a, d=torch.empty(m, n, dtype=torch.bfloat16, device=device)
    )


def methods(first: Inputs) -> dict[str, Callable[[Inputs], Call]]:
    """The methods that are importable here and agree with float64 on the first inputs."""
    candidates: dict[str, Callable[[Inputs], Call]] = {"ours": call_ours}
    try:
        import deep_gemm as peer

        candidates["deep_gemm"] = lambda i: (
            lambda: peer.fp8_gemm_nt((i.a.values, i.scale_a), i.b.pair, i.d)
        )
    except ImportError as error:
        print(f"deep_gemm: not measured ({error})", file=sys.stderr)
    candidates["torch"] = _torch
    reference = first.a.exact @ first.b.exact.T
    return {
        name: make for name, make in candidates.items() if _agrees(name, make, first, reference)
    }


def call_ours(i: Inputs) -> Call:
    """Return the call of our kernel."""
    return lambda: ours.fp8_gemm_nt((i.a.values, i.scale_a), i.b.pair, i.d)


def _torch(i: Inputs) -> Call:
    from torch.nn.functional import ScalingType, scaled_mm

    # cuBLASLt wants scale_a with dense rows of m, and columns of scale_b padded to four.
    k_blocks = i.b.scales.shape[1]
    scale_a = i.a.scales.T.contiguous().T
    padded = i.b.scales.new_zeros(i.b.scales.shape[0], -(-k_blocks // 4) * 4)
    padded[:, :k_blocks] = i.b.scales
    scale_b = padded[:, :k_blocks].T
    return lambda: scaled_mm(
        i.a.values,
        i.b.values.T,
        scale_a,
        ScalingType.BlockWise1x128,
        scale_b,
        ScalingType.BlockWise128x128,
        output_dtype=torch.bfloat16,
    )


def _agrees(
    name: str, make: Callable[[Inputs], Call], first: Inputs, reference: torch.Tensor
) -> bool:
    first.d.fill_(math.nan)
    try:
        result = make(first)()
        out = result if isinstance(result, torch.Tensor) else first.d
        error = relative_error(out, reference)
    except Exception as failure:
        print(f"{name}: not measured ({str(failure).splitlines()[0]})", file=sys.stderr)
        return False
    if error < 5e-3:
        return True
    print(f"{name}: not measured (relative error {error:.1e})", file=sys.stderr)
    return False


def capture(calls: Sequence[Call]) -> torch.cuda.CUDAGraph:
    """Return a CUDA graph of the calls one after the other, warmed up."""
    for call in calls:
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            call()
    graph.replay()
    torch.cuda.synchronize()
    return graph


def replay(graph: torch.cuda.CUDAGraph) -> float:
    """Return the microseconds of one replay."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    graph.replay()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) * 1e3


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the figures, and the plot where matplotlib is there."""
    figures = {
        "geometric_mean_best_peer_over_ours": {
            title: _mean(group) for title, group in _groups(rows)
        },
        "rows": [{**asdict(row), "best_peer_over_ours": row.best_peer_over_ours} for row in rows],
    }
    write_record(path, "python benchmarks/gemm.py", figures)
    try:
        plot(rows, path.with_suffix(".svg"))
    except ImportError:
        print("plot: not drawn (no matplotlib)", file=sys.stderr)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw each shape's time over its floor, ours beside the peers': one is the roof."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(12, 4.5))
    labels = [f"{row.m}x{row.n}x{row.k}" for row in rows]
    for name, marker in (("ours", "o"), ("deep_gemm", "^"), ("torch", "s")):
        heights = [row.microseconds.get(name, math.nan) / row.floor for row in rows]
        axes.plot(range(len(rows)), heights, marker=marker, linestyle="", label=name)
    axes.axhline(1.0, color="grey", linewidth=0.8)
    axes.set_xticks(range(len(rows)), labels, rotation=90, fontsize=7)
    axes.set_ylabel("time / floor (1 is the roof)")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
