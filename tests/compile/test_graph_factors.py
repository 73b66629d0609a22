"""A graph's factors: names say nothing, everything else does."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import fx
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    ShapeEnv,
    StatelessSymbolicContext,
)

from vllm.compilation.factors import UnkeyableError
from vllm.compilation.graph_factors import graph_factors


def graph_of(call: Callable[..., Any], **constants: torch.Tensor) -> fx.GraphModule:
    class Holder(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
            return call(x, y)

    traced = fx.symbolic_trace(Holder())
    for name, value in constants.items():
        traced.register_buffer(name, value)
    return traced


def inputs(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    return [torch.zeros(shape) for shape in shapes or ((4, 8), (4, 8))]


BASE = graph_factors(graph_of(lambda x, y: torch.relu(x + y)), inputs())


def test_names_of_nodes_say_nothing() -> None:
    """Equal layers have parameters of different names."""
    graph = graph_of(lambda x, y: torch.relu(x + y))
    for number, node in enumerate(graph.graph.nodes):
        node.name = f"l_self_modules_layers_modules_7_{number}"
    assert graph_factors(graph, inputs()) == BASE


OTHER_GRAPHS = {
    "another function": lambda x, y: torch.tanh(x + y),
    "another operand": lambda x, y: torch.relu(x + x),
    "another order": lambda x, y: torch.relu(y + x),
    "a scalar": lambda x, y: torch.relu(x + y) * 2,
    "another scalar": lambda x, y: torch.relu(x + y) * 3,
    "a float": lambda x, y: torch.relu(x + y) * 2.0,
    "a keyword": lambda x, y: torch.add(x, y, alpha=2),
    "a slice": lambda x, y: (x + y)[:, 1:],
    "another slice": lambda x, y: (x + y)[:, 2:],
    "an ellipsis": lambda x, y: (x + y)[..., 1:],
    "a type": lambda x, y: (x + y).to(torch.float16),
    "a method": lambda x, y: (x + y).relu(),
    "two results": lambda x, y: (x, x + y),
}


def test_whatever_a_graph_computes_differently_differs() -> None:
    """All of these graphs have keys of their own."""
    found = [str(graph_factors(graph_of(call), inputs())) for call in OTHER_GRAPHS.values()]
    assert len({str(BASE), *found}) == len(OTHER_GRAPHS) + 1


OTHER_INPUTS = {
    "shape": [torch.zeros(4, 9), torch.zeros(4, 8)],
    "type": [torch.zeros(4, 8, dtype=torch.float64), torch.zeros(4, 8)],
    "strides": [torch.zeros(8, 4).T, torch.zeros(4, 8)],
    "alignment": [torch.zeros(33)[1:].view(4, 8), torch.zeros(4, 8)],
    "gradient": [torch.zeros(4, 8, requires_grad=True), torch.zeros(4, 8)],
    "device": [torch.zeros(4, 8, device="meta"), torch.zeros(4, 8)],
}


def test_whatever_an_input_is_otherwise_differs() -> None:
    """Compilers specialise on each of these; the values of tensors are none of them."""
    graph = graph_of(lambda x, y: torch.relu(x + y))
    found = [str(graph_factors(graph, each)) for each in OTHER_INPUTS.values()]
    assert len({str(BASE), *found}) == len(OTHER_INPUTS) + 1
    assert graph_factors(graph, [torch.ones(4, 8), torch.ones(4, 8)]) == BASE


def symbolic(*sizes: int, guard: Callable[[Any], Any] | None = None) -> list[torch.Tensor]:
    """Return fake tensors whose first sizes are symbols, one symbol for equal sizes."""
    mode = FakeTensorMode(shape_env=ShapeEnv())
    context = StatelessSymbolicContext([DimDynamic.DUCK, DimDynamic.STATIC])
    made = [mode.from_tensor(torch.zeros(size, 8), symbolic_context=context) for size in sizes]
    if guard is not None:
        bool(guard(made[0].shape[0]))
    return made


def test_a_symbolic_size_is_one_key_for_all_its_values() -> None:
    """What it was traced with says nothing, whatever the symbol is called."""
    graph = graph_of(lambda x, y: torch.relu(x) + y.sum())
    assert graph_factors(graph, symbolic(5, 7)) == graph_factors(graph, symbolic(50, 70))
    assert graph_factors(graph, symbolic(5, 5)) != graph_factors(graph, symbolic(5, 7))
    assert graph_factors(graph, symbolic(5, 7)) != graph_factors(graph, inputs((5, 8), (7, 8)))


def test_what_is_known_of_a_size_counts() -> None:
    """A compiler may have built upon it."""
    graph = graph_of(lambda x, y: torch.relu(x) + y.sum())
    known = symbolic(6, 7, guard=lambda size: size % 2 == 0)
    assert graph_factors(graph, known) != graph_factors(graph, symbolic(6, 7))


def test_where_an_input_begins_counts_if_a_symbol_tells_it() -> None:
    """How it is aligned follows from what is known of that symbol."""
    graph = graph_of(lambda x, y: torch.relu(x) + y)

    def rows(first: int, second: int, guard: Callable[[Any], Any] | None = None) -> Any:
        turned = symbolic(6, guard=guard)[0].t().contiguous()
        return graph_factors(graph, [turned[first, :2], turned[second, :2]])

    assert rows(1, 2) == rows(1, 2)
    assert rows(1, 2) != rows(2, 1)
    assert rows(1, 2) != rows(1, 2, lambda size: size % 2 == 0)


def constant(value: torch.Tensor) -> fx.GraphModule:
    """Return a graph that adds a constant."""
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output(graph.call_function(operator.add, (x, graph.get_attr("constant"))))
    root = torch.nn.Module()
    root.register_buffer("constant", value)
    return fx.GraphModule(root, graph)


def test_a_constant_counts_by_its_content() -> None:
    """One that is too large to read at each start makes no key."""
    one, other = (graph_factors(constant(torch.full((8,), v)), inputs((8,))) for v in (1.0, 2.0))
    assert one != other
    assert one == graph_factors(constant(torch.ones(8)), inputs((8,)))
    with pytest.raises(UnkeyableError, match=r"constant constant \(\d+ bytes\)"):
        graph_factors(constant(torch.zeros(1 << 19)), inputs((8,)))


def calling(target: Callable[..., Any]) -> fx.GraphModule:
    """Return a graph that calls a function."""
    graph = fx.Graph()
    graph.output(graph.call_function(target, (graph.placeholder("x"),)))
    return fx.GraphModule({}, graph)


@pytest.mark.parametrize("target", [lambda value: value, graph_of])
def test_a_function_that_was_not_traced_makes_no_key(target: Callable[..., Any]) -> None:
    """A name says nothing of code that no factor holds."""
    with pytest.raises(UnkeyableError, match="no name that says what it does"):
        graph_factors(calling(target), inputs((8,)))


def test_an_operator_is_named_by_its_schema_unless_compilers_look_into_it() -> None:
    """An opaque one runs as it is; a composite one of a program's own is unread code."""
    library = torch.library.Library("vllm_test_names", "FRAGMENT")
    for name, kind in (
        ("opaque", "CompositeExplicitAutograd"),
        ("made", "CompositeImplicitAutograd"),
    ):
        library.define(f"{name}(Tensor x) -> Tensor")
        library.impl(name, lambda x: x * 2, kind)
    operators = torch.ops.vllm_test_names
    assert graph_factors(calling(operators.opaque), inputs((8,)))
    assert graph_factors(calling(torch.ops.aten.reshape.default), inputs((8,)))
    with pytest.raises(UnkeyableError, match="vllm_test_names::made is made of other operators"):
        graph_factors(calling(operators.made.default), inputs((8,)))
