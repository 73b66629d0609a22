"""The class decorator: instances run compiled, nested calls don't, and batches vary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from vllm.compilation.config import CompilationConfig, compilation_config
from vllm.compilation.counter import compilation_counter
from vllm.compilation.decorators import support_torch_compile

EAGER = CompilationConfig(compiler="eager")


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trace anew, and cache nowhere."""
    monkeypatch.setenv("VLLM_CACHE_ROOT", str(tmp_path))
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@support_torch_compile
class Doubling(nn.Module):
    """Doubles, compiled."""

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        doubled = x * self.factor
        return doubled if bias is None else doubled + bias


def test_batches_of_any_size_share_one_graph() -> None:
    """The first dimension of each tensor varies; a single row is compiled for itself."""
    with compilation_config(EAGER):
        model = Doubling()
    with compilation_counter.expect(num_graphs_seen=1):
        for rows in (4, 9, 2):
            assert torch.equal(model(torch.ones(rows, 3)), torch.full((rows, 3), 2.0))
    with compilation_counter.expect(num_graphs_seen=1):
        assert torch.equal(model(torch.ones(1, 3)), torch.full((1, 3), 2.0))


def test_arguments_go_by_name_and_position() -> None:
    """Optional tensors vary too."""
    with compilation_config(EAGER):
        model = Doubling(factor=3)
    assert torch.equal(model(torch.ones(4, 3), bias=torch.ones(4, 3)), torch.full((4, 3), 4.0))


def test_mode_none_runs_the_model_as_it_is_written() -> None:
    """No graph is seen."""
    with compilation_config(CompilationConfig(mode="none")):
        model = Doubling()
    with compilation_counter.expect(num_graphs_seen=0):
        assert torch.equal(model(torch.ones(2, 2)), torch.full((2, 2), 2.0))


def test_a_decorated_part_of_a_decorated_whole_is_traced_with_it() -> None:
    """One graph, not two."""

    @support_torch_compile(dynamic_arg_dims={"x": 0})
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = Doubling()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.part(x) + 1
            return result

    with compilation_config(EAGER):
        model = Whole()
    with compilation_counter.expect(num_graphs_seen=1):
        assert torch.equal(model(torch.ones(4, 3)), torch.full((4, 3), 3.0))


def test_the_configuration_is_the_one_of_the_instance() -> None:
    """Two models of one class may be compiled differently."""
    with compilation_config(EAGER):
        compiled = Doubling()
    with compilation_config(CompilationConfig(mode="none")):
        plain = Doubling()
    with compilation_counter.expect(num_graphs_seen=1):
        compiled(torch.ones(3, 3))
        plain(torch.ones(3, 3))


def test_arguments_that_forward_has_not_are_refused() -> None:
    """When the class is made."""
    with pytest.raises(ValueError, match=r"Wrong.forward: expected dynamic x; got y"):

        @support_torch_compile(dynamic_arg_dims={"y": 0})
        class Wrong(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x

    with pytest.raises(ValueError, match="got none annotated as a tensor"):

        @support_torch_compile
        class Silent(nn.Module):
            def forward(self, x: int) -> int:
                return x


def test_making_a_model_begins_to_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is traced, while weights are read; not for a model that no cache keeps."""
    begun: list[int] = []

    def begin() -> None:
        begun.append(compilation_counter.num_graphs_seen)

    monkeypatch.setattr("vllm.compilation.backends.hash_compilers", begin)
    with compilation_config(EAGER):
        Doubling()
    assert begun == []
    made_after: list[int] = []

    @support_torch_compile
    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made_after.append(len(begun))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    Watching()
    assert made_after == [1], "the making of the model goes on beside"
    begun.clear()
    model, before = Doubling(), compilation_counter.num_graphs_seen
    assert begun == [before]
    model(torch.ones(4, 3))
    assert begun == [before]
