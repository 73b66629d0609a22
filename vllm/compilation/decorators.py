"""`@support_torch_compile`: a model's class whose instances run compiled, with batches of any
size.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from vllm.compilation.backends import VllmBackend
from vllm.compilation.config import current_compilation_config

M = TypeVar("M", bound="type[nn.Module]")

# A size of 0 or 1 is always compiled for itself; only from here on a dimension can be any.
_SMALLEST_DYNAMIC = 2


def support_torch_compile(
    model: M | None = None, *, dynamic_arg_dims: Mapping[str, int | tuple[int, ...]] | None = None
) -> Any:
    """Let a module's class run its `forward` compiled by this package's backend.

    `dynamic_arg_dims` names the arguments' dimensions that vary; without it, the first of every
    argument that is annotated as a tensor. The configuration is the one that is current when an
    instance is made.

    Raises: ValueError where an argument is named that `forward` has not, or none varies.
    """

    def decorate(decorated: M) -> M:
        _add_compilation(decorated, _dynamic_dimensions(decorated, dynamic_arg_dims))
        return decorated

    return decorate if model is None else decorate(model)


def _dynamic_dimensions(
    model: type[nn.Module], given: Mapping[str, int | tuple[int, ...]] | None
) -> dict[str, tuple[int, ...]]:
    parameters = inspect.signature(model.forward).parameters
    if given is None:
        given = {name: 0 for name, each in parameters.items() if "Tensor" in str(each.annotation)}
    unknown = sorted(set(given) - set(parameters))
    if unknown or not given:
        expected = ", ".join(name for name in parameters if name != "self")
        found = ", ".join(unknown) or "none annotated as a tensor"
        raise ValueError(f"{model.__qualname__}.forward: expected dynamic {expected}; got {found}")
    return {name: (dim,) if isinstance(dim, int) else tuple(dim) for name, dim in given.items()}


def _add_compilation(model: type[nn.Module], dynamic: Mapping[str, tuple[int, ...]]) -> None:
    plain_init: Callable[..., None] = model.__init__
    plain_call: Callable[..., Any] = model.__call__
    signature = inspect.signature(model.forward)

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        config = current_compilation_config()
        backend = VllmBackend(config) if config.mode == "compile" else None
        if backend is not None:
            backend.prepare()  # beside the making of the model
        plain_init(self, *args, **kwargs)
        compiled = None
        if backend is not None:
            compiled = torch.compile(self.forward, backend=backend, fullgraph=True, dynamic=False)
        self.__dict__["_compiled_forward"] = compiled

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        compiled = self.__dict__.get("_compiled_forward")
        if compiled is None or torch.compiler.is_compiling():
            return plain_call(self, *args, **kwargs)
        arguments = signature.bind(self, *args, **kwargs).arguments
        _mark(arguments, dynamic)
        return compiled(*args, **kwargs)

    model.__init__ = init
    model.__call__ = call


def _mark(arguments: Mapping[str, Any], dynamic: Mapping[str, tuple[int, ...]]) -> None:
    for name, dimensions in dynamic.items():
        tensor = arguments.get(name)
        if isinstance(tensor, torch.Tensor):
            for dimension in dimensions:
                if tensor.shape[dimension] >= _SMALLEST_DYNAMIC:
                    torch._dynamo.mark_dynamic(tensor, dimension)
