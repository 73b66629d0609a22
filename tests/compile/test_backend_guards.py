"""What compiled code assumes of sizes: imposed where it is loaded, and in no later key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx

from tests.compile.small_model import (
    PIECES,
    Model,
    assume_short_indices,
    batch,
    compiled,
    config,
)
from tests.compile.starts import COLD, WARM, FakeCompiler, run
from vllm.compilation.backends import VllmBackend
from vllm.compilation.cache import CompileCache, Store
from vllm.compilation.counter import compilation_counter
from vllm.compilation.factors import UnsavableError

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def test_what_a_compiler_took_for_granted_is_imposed_where_it_is_loaded(tmp_path: Path) -> None:
    """Dynamo traces anew for sizes of which it does not hold, and no entry serves them."""

    def even(inputs: Sequence[Any]) -> object:
        return next(bool(i % 2 == 0) for i in inputs if isinstance(i, torch.SymInt))

    compiler, model = FakeCompiler(guard=even), Model(layers=1)
    cold = run(tmp_path, model, compiler=compiler)
    assert cold["saved"] == 2
    assert run(tmp_path, model, compiler=compiler)["loaded"] == 2
    odd = run(tmp_path, model, size=7, compiler=compiler)
    assert (odd["compiled"], odd["saved"]) == (2, 2)
    again = run(tmp_path, model, size=9, compiler=compiler)
    assert (again["loaded"], "compiled" in again) == (4, False), "of each piece even, then odd"
    torch._dynamo.reset()
    cache = CompileCache(store=Store(root=tmp_path))
    call = compiled(model, VllmBackend(config(), cache=cache, compiler=compiler))
    with compilation_counter.expect(num_graphs_seen=2, num_compiled=0):
        for size in (6, 8, 7, 9):
            call(batch(size))


def test_what_compiling_adds_to_what_is_known_is_in_no_later_key(tmp_path: Path) -> None:
    """Pieces are compiled one after the other, and loaded guards come back in other words."""
    compiler = FakeCompiler(guard=assume_short_indices)
    assert run(tmp_path, compiler=compiler) == COLD
    assert run(tmp_path, compiler=compiler) == WARM


class Halving(FakeCompiler):
    """Makes code for even or for odd batches, and tells Dynamo; it refuses the others."""

    def compile(self, graph: fx.GraphModule, inputs: Sequence[Any], folder: Path | None) -> Any:
        rest = int(next(size for size in inputs if isinstance(size, torch.SymInt)) % 2)

        def call(*values: Any) -> Any:
            sizes = [value for value in values if isinstance(value, int)]
            assert sizes, "the batch is no input"
            assert sizes[0] % 2 == rest, "code for other batches"
            return graph(*values)

        super().compile(graph, inputs, folder)
        if folder is not None:
            self.graphs[(folder / "artifact.bin").read_text()] = call
        return call


class Unsavable(Halving):
    """The same, and nothing of it can be saved."""

    def compile(self, graph: fx.GraphModule, inputs: Sequence[Any], folder: Path | None) -> Any:
        made = super().compile(graph, inputs, folder)
        if folder is not None:
            raise UnsavableError("nothing can be saved", made)
        return made


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("kind", [Halving, Unsavable])
def test_a_batch_for_which_code_does_not_hold_is_compiled_anew(
    kind: type[Halving], warm: bool, tmp_path: Path
) -> None:
    """Whether the code was made here, loaded, or cannot be saved; each size meets its own."""
    compiler = kind()
    if warm:
        run(tmp_path, compiler=compiler)
        torch._dynamo.reset()
    backend = VllmBackend(
        config(), cache=CompileCache(store=Store(root=tmp_path)), compiler=compiler
    )
    call = compiled(Model(), backend)
    with compilation_counter.expect(num_graphs_seen=2):
        for size in (6, 7, 8, 9):
            assert torch.allclose(call(batch(size)), Model()(batch(size)), atol=1e-6)


@pytest.mark.usefixtures("silent_torch")
def test_equal_pieces_share_code_of_which_torch_cannot_say_what_it_assumes(tmp_path: Path) -> None:
    """Within one graph they have the same sizes; another graph does not get it."""
    compiler = Halving()
    backend = VllmBackend(
        config(), cache=CompileCache(store=Store(root=tmp_path)), compiler=compiler
    )
    call = compiled(Model(), backend)
    for size in (6, 7):
        with compilation_counter.expect(num_compiled=PIECES, num_saved=0):
            assert torch.allclose(call(batch(size)), Model()(batch(size)), atol=1e-6)
