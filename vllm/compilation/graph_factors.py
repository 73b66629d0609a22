"""A graph as plain factors: its operations without anybody's names, and what its inputs look like.

Equal layers differ in the names of their parameters and symbols alone, so both are numbered in
order of appearance. An argument or constant that has no canonical form makes the graph unkeyable.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch.utils._pytree import tree_flatten

from vllm.compilation.factors import Plain, UnkeyableError, canonical_json, plain

# A constant tensor larger than this is not worth hashing at each start.
_CONSTANT_BYTES = 1 << 20
# Compiled code reads inputs in vectors of at most this many bytes.
_ALIGNMENT_BYTES = 64


def graph_factors(graph: fx.GraphModule, inputs: Sequence[object]) -> dict[str, Plain]:
    """Return the factors of one piece: the digest of its operations, and each input in words.

    Raises: UnkeyableError names the operation or the constant that has no canonical form.
    """
    symbols = _Symbols()
    described = [_input(value, symbols) for value in inputs]
    nodes = _Numbered(graph, symbols).lines()
    return {
        "inputs": described,
        "operations": hashlib.sha256(canonical_json(nodes).encode()).hexdigest(),
        "sizes": list(symbols.facts(inputs)),
        "count": len(nodes),
    }


def devices_of(graph: fx.GraphModule, inputs: Sequence[object]) -> set[torch.device]:
    """Return the devices of the inputs, and of whatever a graph makes on its own."""
    made = (node.meta.get("example_value") for node in graph.graph.nodes)
    tensors, _ = tree_flatten([*inputs, *made])
    return {value.device for value in tensors if isinstance(value, torch.Tensor)}


class _Symbols:
    """Symbolic sizes under numbers in order of appearance."""

    def __init__(self) -> None:
        self._names: dict[Any, Any] = {}

    def text(self, value: torch.SymInt | torch.SymFloat | torch.SymBool) -> str:
        """Return a symbolic value's expression with numbered symbols."""
        return self.expression(value.node.expr)

    def expression(self, expression: Any) -> str:
        for symbol in sorted(expression.free_symbols, key=str):
            if symbol not in self._names:
                self._names[symbol] = type(symbol)(f"n{len(self._names)}", integer=True)
        return str(expression.xreplace(self._names))

    def facts(self, inputs: Sequence[object]) -> list[str]:
        """Return what is known of the symbols: ranges, and the guards so far, which compilers build
        upon.
        """
        environment = next((n.node.shape_env for n in symbolic_numbers(inputs)), None)
        if environment is None:
            return []
        known = list(self._names)
        limits = getattr(environment, "var_to_range", None)
        if limits is None:
            raise UnkeyableError("graph: torch does not say the ranges of symbolic sizes")
        ranges = [f"{self._names[s]}: {limits.get(s)}" for s in known]
        guards = [g.expr for g in environment.guards if g.expr.free_symbols <= set(known)]
        return ranges + sorted(self.expression(guard) for guard in guards if guard.free_symbols)


def symbolic_numbers(inputs: Sequence[object]) -> Iterator[torch.SymInt]:
    """Yield the symbolic inputs, and the symbolic sizes, strides and offsets of tensors."""
    for value in inputs:
        numbers: tuple[object, ...] = (value,)
        if isinstance(value, torch.Tensor):
            numbers = (*value.shape, *value.stride(), value.storage_offset())
        yield from (number for number in numbers if isinstance(number, torch.SymInt))


def _input(value: object, symbols: _Symbols) -> Plain:
    if isinstance(value, torch.Tensor):
        sizes = ",".join(_size(size, symbols) for size in value.shape)
        strides = ",".join(_size(size, symbols) for size in value.stride())
        aligned = _alignment(value.storage_offset(), value.element_size(), symbols)
        kind = type(value).__name__ if type(value) not in _PLAIN_TENSORS else ""
        flags = f"{'grad ' if value.requires_grad else ''}{kind}"
        return f"{value.dtype} {value.device} [{sizes}] ({strides}) +{aligned} {flags}".rstrip()
    if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
        return symbols.text(value)
    return plain(value, "input")


def _alignment(offset: int | torch.SymInt, element_size: int, symbols: _Symbols) -> str:
    if isinstance(offset, torch.SymInt):
        return f"({symbols.text(offset)})*{element_size}"
    return str(offset * element_size % _ALIGNMENT_BYTES)


_PLAIN_TENSORS = (torch.Tensor, torch.nn.Parameter, torch._subclasses.FakeTensor)


def _size(size: int | torch.SymInt, symbols: _Symbols) -> str:
    return symbols.text(size) if isinstance(size, torch.SymInt) else str(size)


class _Numbered:
    """A graph's nodes as lines, each naming others by number."""

    def __init__(self, module: fx.GraphModule, symbols: _Symbols) -> None:
        self._module = module
        self._symbols = symbols
        self._numbers: dict[fx.Node, int] = {}

    def lines(self) -> list[Plain]:
        lines = []
        for number, node in enumerate(self._module.graph.nodes):
            self._numbers[node] = number
            lines.append(self._line(node))
        return lines

    def _line(self, node: fx.Node) -> Plain:
        if node.op == "placeholder":
            return ["placeholder"]
        if node.op == "get_attr":
            return ["get_attr", self._attribute(str(node.target))]
        if "triton_kernel_wrapper" in str(node.target):
            return ["triton", self._triton_kernel(node.kwargs)]
        target = node.target if isinstance(node.target, str) else _function_name(node.target)
        if node.op == "call_module":
            raise UnkeyableError(
                f"graph: a call of the module {target} says nothing of its content"
            )
        return [node.op, target, self._value(node.args), self._value(node.kwargs)]

    def _value(self, value: object) -> Plain:
        if isinstance(value, fx.Node):
            return {"node": self._numbers[value]}
        if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
            return {"symbol": self._symbols.text(value)}
        if isinstance(value, slice | Mapping | list | tuple):
            return self._composite(value)
        if callable(value) and not isinstance(value, type):
            return {"function": _function_name(value)}
        return [type(value).__name__, None if value is Ellipsis else plain(value, "graph")]

    def _composite(self, value: Any) -> Plain:
        if isinstance(value, slice):
            return {"slice": [self._value(v) for v in (value.start, value.stop, value.step)]}
        if isinstance(value, Mapping):
            return {"map": [[self._value(key), self._value(value[key])] for key in value]}
        return [type(value).__name__, *(self._value(item) for item in value)]

    def _triton_kernel(self, arguments: Mapping[str, Any]) -> Plain:
        """Name a Triton kernel by its source: in the graph it is a number of this process's
        table.
        """
        from torch._higher_order_ops.triton_kernel_wrap import kernel_side_table

        named = dict(arguments)
        kernel = kernel_side_table.get_kernel(named.pop("kernel_idx"))
        constants = kernel_side_table.get_constant_args(named.pop("constant_args_idx"))
        code = getattr(getattr(kernel, "fn", kernel), "cache_key", None) or getattr(
            kernel, "cache_key", None
        )
        if not isinstance(code, str):
            raise UnkeyableError(f"graph: the Triton kernel {kernel!r} does not say its source")
        configs = [str(config) for config in getattr(kernel, "configs", ())]
        return [code, configs, self._value(constants), self._value(named)]

    def _attribute(self, target: str) -> Plain:
        value: object = self._module
        for part in target.split("."):
            value = getattr(value, part)
        if isinstance(value, fx.GraphModule):  # the body of a higher-order operator
            return {"graph": _Numbered(value, self._symbols).lines()}
        if not isinstance(value, torch.Tensor):
            raise UnkeyableError(f"graph: the attribute {target} is a {type(value).__qualname__}")
        return {"tensor": _constant(value, target)}


def _constant(tensor: torch.Tensor, target: str) -> Plain:
    size = tensor.numel() * tensor.element_size()
    if type(tensor) is torch._subclasses.FakeTensor or size > _CONSTANT_BYTES:
        raise UnkeyableError(f"graph: the constant {target} ({size} bytes) cannot be read")
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    digest = hashlib.sha256(bytes(data.tolist())).hexdigest()
    shape = [str(tensor.dtype), str(tensor.device), list(tensor.shape), list(tensor.stride())]
    return [*shape, digest]


def _function_name(target: Any) -> str:
    """Name a function so that the name says what it does.

    Raises: UnkeyableError for one whose code no factor names.
    """
    if isinstance(target, torch._ops.OpOverload | torch._ops.OpOverloadPacket):
        return _operator_name(target)
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    if isinstance(target, torch._ops.HigherOrderOperator):
        module, name = "higher_order", target.name()
    known = (module is None and inspect.isbuiltin(target)) or _is_of_torch_or_python(str(module))
    if name is None or not known:
        raise UnkeyableError(f"graph: {target!r} has no name that says what it does")
    return f"{module}.{name}"


def _is_of_torch_or_python(module: str) -> bool:
    """Whether torch's key or Python's speaks for a module; other functions were not traced."""
    return module.partition(".")[0] in ("_operator", "builtins", "higher_order", "math", "torch")


def _operator_name(target: Any) -> str:
    """Name an operator by its schema.

    Raises: UnkeyableError for one of a program's that compilers look into: no factor names its
        code.
    """
    packet = getattr(target, "overloadpacket", target)
    name, key = packet._qualified_op_name, "CompositeImplicitAutograd"
    overloads = [getattr(packet, overload) for overload in packet.overloads()]
    composite = any(
        torch._C._dispatch_has_kernel_for_dispatch_key(o.name(), key) for o in overloads
    )
    if composite and name.partition("::")[0] not in ("aten", "prims", "quantized"):
        raise UnkeyableError(f"graph: {name} is made of other operators by code that is no factor")
    schema = getattr(target, "_schema", None)
    return str(target) if schema is None else f"{target} {schema}"
