"""Cutting graphs: at each named operator, in order, with what stands for each piece's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from tests.compile.small_model import ATTENTION, Model, batch
from vllm.compilation.partition import Piece, cut


def cut_model(layers: int, operators: Sequence[str]) -> tuple[fx.GraphModule, list[Piece], Any]:
    """Trace the small model and cut its graph."""
    found: list[Any] = []

    def backend(graph: fx.GraphModule, inputs: Sequence[object]) -> Any:
        found.append((*cut(graph, inputs, operators), inputs))
        return graph

    torch._dynamo.reset()
    x = batch(6)
    torch._dynamo.mark_dynamic(x, 0)
    with torch.no_grad():
        torch.compile(Model(layers), backend=backend, fullgraph=True)(x)
    torch._dynamo.reset()
    (answer,) = found
    return answer  # type: ignore[no-any-return]


def test_operators_stay_alone_between_the_pieces() -> None:
    """Three layers: four pieces around three operators, in the order of the graph."""
    whole, pieces, _ = cut_model(3, (ATTENTION,))
    assert [piece.name for piece in pieces] == [f"submod_{number}" for number in (0, 2, 4, 6)]
    names = [name for name, _ in whole.named_children()]
    assert names == [f"submod_{number}" for number in range(7)]
    for piece in pieces:
        assert not [n for n in piece.graph.graph.nodes if "attention" in str(n.target)]


def test_each_piece_has_what_stands_for_its_inputs() -> None:
    """One value for each placeholder, symbolic sizes among them."""
    _, pieces, _ = cut_model(2, (ATTENTION,))
    for piece in pieces:
        placeholders = [n for n in piece.graph.graph.nodes if n.op == "placeholder"]
        assert len(placeholders) == len(piece.inputs)
        sizes = [v.shape[0] for v in piece.inputs if isinstance(v, torch.Tensor) and v.dim() == 2]
        assert sizes
        assert all(isinstance(size, torch.SymInt) for size in sizes)


def test_a_graph_without_such_operators_is_one_piece() -> None:
    """It goes to the compiler as it came."""
    _, (piece,), inputs = cut_model(2, ("vllm_test::other",))
    assert piece.name == ""
    assert piece.inputs == tuple(inputs)


def test_a_graph_that_dynamo_did_not_trace_stays_whole() -> None:
    """Nothing stands for the inputs of its pieces; it still runs."""
    graph = fx.symbolic_trace(Model(2))
    whole, (piece,) = cut(graph, [batch(4)], (ATTENTION,))
    assert whole is piece.graph is graph
