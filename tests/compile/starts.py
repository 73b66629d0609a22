"""Starts of a small model with the backend, as of a new process, and what they count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from tests.compile.small_model import PIECES, Model, batch, compiled, config
from vllm.compilation.backends import VllmBackend
from vllm.compilation.cache import CompileCache, Store
from vllm.compilation.compiler_interface import InductorStandaloneAdaptor
from vllm.compilation.counter import compilation_counter


@dataclass(kw_only=True)
class FakeCompiler:
    """Inductor's factors, and graphs that are run as they are; saved ones are kept in this
    process.
    """

    name: str = "fake"
    guard: Callable[[Sequence[Any]], object] = field(default=lambda inputs: None)
    graphs: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def factors(self) -> dict[str, Any]:
        return InductorStandaloneAdaptor().factors()

    def compile(self, graph: fx.GraphModule, inputs: Sequence[Any], folder: Path | None) -> Any:
        self.guard(inputs)
        if folder is not None:
            (folder / "artifact.bin").write_text(str(len(self.graphs)))
            self.graphs[str(len(self.graphs))] = graph
        return graph

    def load(self, folder: Path) -> Any:
        return self.graphs[(folder / "artifact.bin").read_text()]


COMPILER = FakeCompiler()


def run(
    root: Path,
    network: nn.Module | None = None,
    size: int = 6,
    compiler: Any = None,
    **changes: Any,
) -> dict[str, int]:
    """Start a model as a new process would, hold its result against the uncompiled one; return what
    was counted.
    """
    torch._dynamo.reset()
    before, network = compilation_counter.clone(), network or Model()
    cache = CompileCache(store=Store(root=root))
    backend = VllmBackend(config(**changes), cache=cache, compiler=compiler or COMPILER)
    result, expected = compiled(network, backend)(batch(size)), network(batch(size))
    assert torch.allclose(result, expected, atol=1e-6)
    moved = compilation_counter.since(before)
    return {name.removeprefix("num_"): count for name, count in moved.items() if count}


COLD = {"graphs_seen": 1, "pieces_seen": 5, "compiled": PIECES, "saved": PIECES}
WARM = {"graphs_seen": 1, "pieces_seen": 5, "loaded": PIECES}
