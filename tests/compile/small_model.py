"""A model of four equal layers around an opaque operator, small enough to compile in tests.

Run as a script one layer of it, two pieces, starts with Inductor, below VLLM_CACHE_ROOT, and prints
its result and counts as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vllm.compilation.compiler_interface import InductorStandaloneAdaptor
from vllm.compilation.config import CompilationConfig
from vllm.compilation.counter import compilation_counter

ATTENTION = "vllm_test::attention"
PIECES = 3  # first, one that serves all between, last

library = torch.library.Library("vllm_test", "FRAGMENT")
library.define("attention(Tensor q, Tensor k) -> Tensor")
library.impl("attention", lambda q, k: (q @ k.T).softmax(-1) @ k, "CompositeExplicitAutograd")
torch.library.register_fake(ATTENTION, lambda q, k: torch.empty_like(q), lib=library)


class Layer(nn.Module):
    """An opaque operator between two pointwise ones."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = torch.ops.vllm_test.attention(x * self.scale, x.sin())
        return x + torch.relu(mixed)


class Model(nn.Module):
    """Equal layers."""

    def __init__(self, layers: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class ShortIndices(InductorStandaloneAdaptor):
    """Inductor that takes for granted, here as on a GPU, that 32 bits hold an index."""

    def compile(
        self, graph: torch.fx.GraphModule, inputs: Sequence[object], folder: Path | None
    ) -> Any:
        """Compile as Inductor does, and guard."""
        assume_short_indices(inputs)
        return super().compile(graph, inputs, folder)


def assume_short_indices(inputs: Sequence[Any]) -> None:
    """Guard on the batch in words that torch writes down otherwise: as at most 2**31 - 1."""
    assert next(size for size in inputs if isinstance(size, torch.SymInt)) < 2**31


def config(**changes: Any) -> CompilationConfig:
    """Return the configuration that cuts this model."""
    return CompilationConfig(splitting_ops=(ATTENTION,), **changes)


def compiled(
    model: nn.Module, backend: Callable[..., Any]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a compiled model for batches of any size."""
    run = torch.compile(model, backend=backend, fullgraph=True, dynamic=False)

    def call(x: torch.Tensor) -> torch.Tensor:
        torch._dynamo.mark_dynamic(x, 0)
        with torch.no_grad():
            result: torch.Tensor = run(x)
        return result

    return call


def batch(size: int) -> torch.Tensor:
    """Return an input, the same in each process."""
    return torch.arange(size * 16, dtype=torch.float32).reshape(size, 16) / 100


if __name__ == "__main__":
    from vllm.compilation.backends import VllmBackend

    backend = VllmBackend(config(), compiler=ShortIndices())
    total = compiled(Model(layers=1), backend)(batch(6)).double().sum().item()
    print(json.dumps({"sum": total, **asdict(compilation_counter)}))
