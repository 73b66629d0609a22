"""Cut a graph at its attention-like operators, so that what lies between equal layers is one graph
many times.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import fx
from torch.fx.passes.split_module import split_module


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One part of a cut graph: its name in the whole, its graph, and what stands for its inputs."""

    name: str
    graph: fx.GraphModule
    inputs: tuple[object, ...]


def cut(
    graph: fx.GraphModule, inputs: Sequence[object], operators: Collection[str]
) -> tuple[fx.GraphModule, list[Piece]]:
    """Return the graph as a sequence of pieces, and those of them that are to be compiled.

    A named operator stays alone in a piece of its own, which runs as it is.
    """
    parts = _parts(graph, operators)
    uncut = (graph, [Piece(name="", graph=graph, inputs=tuple(inputs))])
    if not any(_is_cut(node, operators) for node in graph.graph.nodes):
        return uncut
    whole = split_module(
        graph,
        None,
        lambda node: parts[node],
        keep_original_order=True,
    )
    opaque = {f"submod_{parts[node]}" for node in graph.graph.nodes if _is_cut(node, operators)}
    modules = {
        name: module
        for name, module in whole.named_children()
        if isinstance(module, fx.GraphModule) and name not in opaque
    }
    stand_ins = {name: _stand_ins(module) for name, module in modules.items()}
    if any(values is None for values in stand_ins.values()):
        return uncut  # a graph that Dynamo did not trace: it still runs, in one piece
    pieces = [
        Piece(name=name, graph=module, inputs=tuple(stand_ins[name] or ()))
        for name, module in modules.items()
    ]
    return whole, pieces


def _parts(graph: fx.GraphModule, operators: Collection[str]) -> dict[fx.Node, int]:
    """Number the parts in order: each operator to cut at is one, and so is everything between two
    of them.
    """
    parts: dict[fx.Node, int] = {}
    current = 0
    for node in graph.graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        if _is_cut(node, operators):
            parts[node] = current + 1
            current += 2
        else:
            parts[node] = current
    return parts


def _is_cut(node: fx.Node, operators: Collection[str]) -> bool:
    if node.op != "call_function" or not isinstance(
        node.target, torch._ops.OpOverload | torch._ops.OpOverloadPacket
    ):
        return False
    packet = getattr(node.target, "overloadpacket", node.target)
    return packet._qualified_op_name in operators


def _stand_ins(module: fx.GraphModule) -> list[object] | None:
    """Return the fake values that tracing left at a piece's inputs, None where it left none."""
    placeholders = [node for node in module.graph.nodes if node.op == "placeholder"]
    if not all("example_value" in node.meta for node in placeholders):
        return None
    return [node.meta["example_value"] for node in placeholders]
