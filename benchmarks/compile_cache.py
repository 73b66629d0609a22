"""Measure what the compile cache saves: cold and warm starts of small models, and the cost of a
key.

Each start is a process of its own. Cold starts have an empty cache folder; Inductor's own caches
never answer, because each compilation has a fresh folder of them. `--once MODEL` is one such start,
in this process.

    python benchmarks/compile_cache.py --device cuda --repeats 5 --json
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import rms_norm, silu

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vllm.compilation import backends, spared_imports
from vllm.compilation.backends import VllmBackend, piece_factors, shared_factors
from vllm.compilation.cache import Store
from vllm.compilation.compiler_interface import InductorStandaloneAdaptor
from vllm.compilation.config import CompilationConfig, compilation_config
from vllm.compilation.counter import compilation_counter
from vllm.compilation.decorators import support_torch_compile
from vllm.compilation.graph_factors import devices_of
from vllm.compilation.partition import Piece
from vllm.model_executor.layers.fp8_linear import Fp8BlockLinear
from vllm.model_executor.layers.rotary_embedding import get_rope
from vllm.model_executor.warmup.deep_gemm_warmup import deep_gemm_warmup

ROOT = Path(__file__).resolve().parents[1]
HIDDEN, HEAD, LAYERS, EXPERTS, TOKENS = 256, 128, 4, 2, 24
ATTENTION = "benchmark::attention"
# Of Inductor's compiler, what takes long to import and no loading needs.
COMPILER = ("compile_fx", "graph", "ir", "lowering", "scheduler", "select_algorithm")
# What torch calls its timing of a kernel's configurations.
TIMING = "CachingAutotuner.benchmark_all_configs"
PROFILED = 120  # calls of a profile

_library = torch.library.Library("benchmark", "FRAGMENT")


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    heads = [x.unflatten(-1, (-1, HEAD)).transpose(0, 1) for x in (q, k, v)]
    mixed = nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
    return mixed.transpose(0, 1).reshape(q.shape)


_library.define("attention(Tensor q, Tensor k, Tensor v) -> Tensor")
_library.impl("attention", _attention, "CompositeExplicitAutograd")
torch.library.register_fake(ATTENTION, lambda q, k, v: q.new_empty(q.shape), lib=_library)


def linear(rows: int, columns: int) -> Fp8BlockLinear:
    """Make a layer of random weights."""
    return Fp8BlockLinear(torch.randn(rows, columns) * columns**-0.5)


class Mlp(nn.Module):
    """A gated feed-forward block."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = linear(2 * HIDDEN, HIDDEN), linear(HIDDEN, HIDDEN)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (tokens, hidden) to the same."""
        gate, up = self.up(x).chunk(2, -1)
        mixed: torch.Tensor = self.down(silu(gate) * up)
        return mixed


class Experts(nn.Module):
    """A mixture of feed-forward blocks, every token weighted over all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(HIDDEN, EXPERTS, bias=False, dtype=torch.bfloat16)
        self.experts = nn.ModuleList(Mlp() for _ in range(EXPERTS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (tokens, hidden) to the same."""
        weights = self.router(x).softmax(-1)
        parts = [weights[:, i : i + 1] * expert(x) for i, expert in enumerate(self.experts)]
        return torch.stack(parts).sum(0)


class Layer(nn.Module):
    """Attention with rotary embedding, then a feed-forward block."""

    def __init__(self, block: type[nn.Module]) -> None:
        super().__init__()
        self.qkv, self.out, self.block = linear(3 * HIDDEN, HIDDEN), linear(HIDDEN, HIDDEN), block()
        self.rope = get_rope(HEAD, 1024, enable_fp32_compute=True)

    def forward(self, positions: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Map (tokens, hidden) to the same."""
        q, k, v = self.qkv(rms_norm(x, (HIDDEN,))).chunk(3, -1)
        q, k = self.rope(positions, q, k)
        x = x + self.out(torch.ops.benchmark.attention(q, k, v))
        deeper: torch.Tensor = x + self.block(rms_norm(x, (HIDDEN,)))
        return deeper


@support_torch_compile(dynamic_arg_dims={"positions": 0, "x": 0})
class Model(nn.Module):
    """Equal layers, so that three pieces serve any number of them."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        block = {"dense": Mlp, "moe": Experts}[kind]
        self.layers = nn.ModuleList(Layer(block) for _ in range(LAYERS))

    def forward(self, positions: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Map (tokens, hidden) to the same."""
        for layer in self.layers:
            x = layer(positions, x)
        return x


class Stopwatch:
    """Seconds that this process spends in methods, by label."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watch(self, owner: Any, name: str, label: str) -> None:
        """Count all calls of a method, or of a module's function."""
        inner = getattr(owner, name)
        setattr(owner, name, lambda *values: self.timed(label, inner, *values))
        self.seconds[label] = 0.0

    def timed(self, label: str, call: Callable[..., Any], *values: object) -> Any:
        """Return what a call returns, and count it."""
        began = time.perf_counter()
        try:
            return call(*values)
        finally:
            taken = time.perf_counter() - began
            self.seconds[label] = self.seconds.get(label, 0.0) + taken


def start_once(kind: str, device: str, profile: bool = False) -> dict[str, Any]:
    """Start one model; return how long it took until the first result, where that went, and what
    the cache did.
    """
    watch, profiler = watched(), cProfile.Profile()
    torch.manual_seed(0)
    config = CompilationConfig(splitting_ops=(ATTENTION,), model={"kind": kind})
    with compilation_config(config), torch.no_grad():
        model = watch.timed("model", lambda: Model(kind).to(device))
        warmup = watch.timed("warmup", deep_gemm_warmup, model, TOKENS)
        positions = torch.arange(TOKENS, device=device)
        x = torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16).to(device)

        def run(tokens: int) -> float:
            total: float = model(positions[:tokens], x[:tokens]).float().sum().item()
            return total  # item() waits for the device

        modules = set(sys.modules)
        with profiler if profile else contextlib.nullcontext():
            sums = [watch.timed("first", run, TOKENS)]
        imported = set(sys.modules) - modules
        sums += [watch.timed("second", run, TOKENS), run(TOKENS - 5)]
    return {
        "model": kind,
        "device": device,
        "seconds": watch.seconds["first"],
        "parts": _parts(watch.seconds),
        "torch": _torch_says(),
        "imported": len(imported),
        "compiler": [name for name in COMPILER if f"torch._inductor.{name}" in sys.modules],
        "sums": sums,
        "deep_gemm": warmup.reason
        or f"{len(warmup.kernels)} kernels, {warmup.milliseconds:.1f} ms",
        "counters": asdict(compilation_counter),
        **({"profile": _longest(profiler)} if profile else {}),
    }


def watched() -> Stopwatch:
    """Return a watch of what the backend does: keys, files, compiling, loading."""
    watch = Stopwatch()
    watch.watch(VllmBackend, "__call__", "backend")
    watch.watch(backends, "shared_factors", "shared_factors")
    watch.watch(backends, "piece_factors", "piece_factors")
    watch.watch(Store, "take", "take")
    watch.watch(InductorStandaloneAdaptor, "compile", "compile")
    watch.watch(InductorStandaloneAdaptor, "load", "load")
    return watch


def _parts(seconds: dict[str, float]) -> dict[str, float]:
    """Split the first run: the backend and its parts, Dynamo's tracing, and what is left to run."""
    backend = seconds["backend"]
    named = ("compile", "load", "shared_factors", "piece_factors", "take")
    dynamo = _torch_says()["seconds"].get("_compile.compile_inner", backend)
    return {
        **seconds,
        "backend_rest": backend - sum(seconds[name] for name in named),
        "tracing": dynamo - backend,
        "running": seconds["first"] - dynamo,
    }


def _torch_says() -> dict[str, Any]:
    """Return torch's own times of 10 ms and more, nested ones too, how many kernels it timed, and
    what Inductor counted.
    """
    from torch._dynamo.utils import compilation_time_metrics, counters

    sums = {name: round(sum(times), 3) for name, times in compilation_time_metrics.items()}
    times = {name: taken for name, taken in sums.items() if taken >= 0.01}
    timed = len(compilation_time_metrics.get(TIMING, ()))
    return {"seconds": times, "kernels_timed": timed, "inductor": dict(counters["inductor"])}


def _longest(profiler: cProfile.Profile) -> list[str]:
    """Return pstats' lines of the calls that took longest with all that they call."""
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("cumulative").print_stats(PROFILED)
    return text.getvalue().splitlines()


def measure_key(repeats: int, device: str) -> dict[str, float]:
    """Measure all factors of one piece and their key, in milliseconds: the first time and later."""
    times: list[float] = []

    def backend(graph: torch.fx.GraphModule, inputs: Sequence[object]) -> Any:
        piece = Piece(name="", graph=graph, inputs=tuple(inputs))
        config, compiler = CompilationConfig(), InductorStandaloneAdaptor()
        for _ in range(repeats + 1):
            began = time.perf_counter()
            _ = piece_factors(
                shared_factors(config, compiler, devices_of(graph, inputs)), piece
            ).key
            times.append((time.perf_counter() - began) * 1e3)
        return graph

    with torch.no_grad():
        layer = torch.compile(Mlp().to(device), backend=backend, fullgraph=True)
        layer(torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16).to(device))
    return {"first_ms": times[0], "later_ms": statistics.median(times[1:])}


def measure_starts(kind: str, device: str, repeats: int, *options: str) -> dict[str, Any]:
    """Measure starts in new processes, each repetition cold and then warm; profile one more."""
    starts: dict[str, list[dict[str, Any]]] = {"cold": [], "warm": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            for name, made in starts.items():
                made.append(_start(cache, kind, "--device", device, *options))
                print(f"{kind} {name}: {made[-1]['seconds']:.2f} s", file=sys.stderr)
            if len(starts["warm"]) == repeats:
                profiled = _start(cache, kind, "--device", device, *options, "--profile")
    middle = {
        name: statistics.median(each["seconds"] for each in made) for name, made in starts.items()
    }
    ratio = middle["cold"] / middle["warm"]
    about = {name: starts["warm"][-1][name] for name in ("model", "device", "deep_gemm")}
    return {**about, **middle, "ratio": ratio, "starts": starts, "profile": profiled["profile"]}


def _start(cache: str, kind: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--once", kind, *options]
    environment = {**os.environ, "VLLM_CACHE_ROOT": cache, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    process = time.perf_counter() - began  # with imports and the device's first use
    return {**json.loads(done.stdout.splitlines()[-1]), "process": process}


def counted(counters: dict[str, int]) -> str:
    """Say the counts that are not 0."""
    named = ((name.removeprefix("num_"), count) for name, count in counters.items())
    return ", ".join(f"{count} {name}" for name, count in named if count)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one start, or all measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=3, help="starts of each kind (default: 3)")
    parser.add_argument("--once", choices=("dense", "moe"), help="start one model here and say so")
    parser.add_argument("--profile", action="store_true", help="--once, and what took longest")
    parser.add_argument("--without-sparing", action="store_true", help="load with all of Inductor")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    compared = ("--without-sparing",) if options.without_sparing else ()
    if compared:
        spared_imports.are_known = lambda folder: False
    if options.once:
        print(json.dumps(start_once(options.once, options.device, options.profile)))
        return 0
    key = measure_key(50, options.device)
    rows = [
        measure_starts(kind, options.device, options.repeats, *compared)
        for kind in ("dense", "moe")
    ]
    report = {"torch": torch.__version__, "key": key, "starts": rows}
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    print(f"key: {key['first_ms']:.1f} ms first, {key['later_ms']:.2f} ms later")
    for row in rows:
        times = f"cold {row['cold']:.2f} s, warm {row['warm']:.2f} s, {row['ratio']:.1f} times"
        print(f"{row['model']} on {row['device']}: {times}; DeepGEMM: {row['deep_gemm']}")
        for name, starts in row["starts"].items():
            parts = ", ".join(f"{part} {s:.2f}" for part, s in starts[-1]["parts"].items())
            print(f"  last {name}: {parts} s; {counted(starts[-1]['counters'])}")
            timed, compiler = starts[-1]["torch"]["kernels_timed"], starts[-1]["compiler"]
            print(f"    {timed} kernels timed; of Inductor's compiler: {compiler or 'nothing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
