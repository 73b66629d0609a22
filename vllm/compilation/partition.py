"""Cut a graph at its attention-like operators, so that what lies between equal layers is one graph
many times.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import fx
from torch.fx.passes.split_module import split_module

from vllm.compilation.factors import UnkeyableError


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
    if len(set(parts.values())) <= 1 and not any(_is_cut(n, operators) for n in graph.graph.nodes):
        whole = fx.GraphModule({}, fx.Graph())
        return whole, [Piece(name="", graph=graph, inputs=tuple(inputs))]
    whole = split_module(
        graph,
        None,
        lambda node: parts[node],
        keep_original_order=True,
    )
    opaque = {f"submod_{parts[node]}" for node in graph.graph.nodes if _is_cut(node, operators)}
    pieces = [
        Piece(name=name, graph=module, inputs=tuple(_stand_ins(module)))
        for name, module in whole.named_children()
        if name not in opaque
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


def _stand_ins(module: fx.GraphModule) -> list[object]:
    """Return the fake values that tracing left at a piece's inputs."""
    values = []
    for node in module.graph.nodes:
        if node.op == "placeholder":
            if "example_value" not in node.meta:
                raise UnkeyableError(f"graph: tracing left no value for the input {node.name}")
            values.append(node.meta["example_value"])
    return values
