"""Operators with one implementation per platform: a registry, a switch for each, and out-of-tree
replacements.

It knows which implementation runs; the implementations belong to the operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeVar

from torch import nn

from vllm import envs
from vllm.platforms import current_platform

C = TypeVar("C", bound="type[CustomOp]")

_switches: ContextVar[tuple[str, ...] | None] = ContextVar("custom_ops", default=None)


class CustomOp(nn.Module):
    """An operator that dispatches once, when it is made, to the platform's implementation or to the
    native one.
    """

    name: ClassVar[str] = ""
    op_registry: ClassVar[dict[str, type[CustomOp]]] = {}
    op_registry_oot: ClassVar[dict[str, type[CustomOp]]] = {}

    def __new__(cls, *args: Any, **kwargs: Any) -> CustomOp:
        """Make the out-of-tree replacement where one is registered under the operator's name."""
        replacement = cls.op_registry_oot.get(cls.name)
        wanted = replacement if replacement is not None and issubclass(replacement, cls) else cls
        made: CustomOp = super().__new__(wanted)
        return made

    def __init__(self, *, enforce_enable: bool = False) -> None:
        super().__init__()
        self._enforce_enable = enforce_enable
        self._forward_method = self.dispatch_forward()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the chosen implementation."""
        return self._forward_method(*args, **kwargs)

    def forward_native(self, *args: Any, **kwargs: Any) -> Any:
        """Compute with plain torch operators; every operator has this one."""
        raise NotImplementedError(f"{type(self).__name__}: forward_native is missing")

    def forward_cuda(self, *args: Any, **kwargs: Any) -> Any:
        """Compute on a CUDA device."""
        return self.forward_native(*args, **kwargs)

    def forward_cpu(self, *args: Any, **kwargs: Any) -> Any:
        """Compute on a CPU."""
        return self.forward_native(*args, **kwargs)

    def forward_oot(self, *args: Any, **kwargs: Any) -> Any:
        """Compute in an out-of-tree replacement on any platform."""
        return self.forward_native(*args, **kwargs)

    def dispatch_forward(self) -> Callable[..., Any]:
        """Return the implementation that runs here."""
        if not (self._enforce_enable or self.enabled()):
            return self.forward_native
        if type(self) in self.op_registry_oot.values() and "forward_oot" in vars(type(self)):
            return self.forward_oot
        return self.forward_cuda if current_platform.is_cuda() else self.forward_cpu

    @classmethod
    def enabled(cls) -> bool:
        """Whether the operator's own implementation is switched on; the last entry that speaks of
        it wins.
        """
        switches = _switches.get()
        answer = True
        for entry in envs.VLLM_CUSTOM_OPS if switches is None else switches:
            if entry in ("all", "none"):
                answer = entry == "all"
            elif entry[1:] == cls.name:
                answer = entry[0] == "+"
        return answer

    @classmethod
    def register(cls, name: str) -> Callable[[C], C]:
        """Register an operator's class under a name.

        Raises: ValueError where the name is taken.
        """

        def add(operator: C) -> C:
            if name in cls.op_registry:
                raise ValueError(f"operator {name}: taken by {cls.op_registry[name].__qualname__}")
            operator.name = name
            cls.op_registry[name] = operator
            return operator

        return add

    @classmethod
    def register_oot(cls, name: str) -> Callable[[C], C]:
        """Let a subclass of a registered operator replace it wherever it is made.

        Raises: ValueError where no operator has that name, or the class does not derive from it.
        """

        def replace(operator: C) -> C:
            replaced = cls.op_registry.get(name)
            if replaced is None:
                known = ", ".join(sorted(cls.op_registry))
                raise ValueError(f"operator {name}: expected one of {known}")
            if not issubclass(operator, replaced):
                raise ValueError(
                    f"{operator.__qualname__}: expected a subclass of {replaced.__qualname__}"
                )
            cls.op_registry_oot[name] = operator
            return operator

        return replace


@contextmanager
def custom_ops(*entries: str) -> Any:
    """Make operators under other switches than VLLM_CUSTOM_OPS gives: "all", "none", "+NAME",
    "-NAME".
    """
    token = _switches.set(_checked(entries))
    try:
        yield
    finally:
        _switches.reset(token)


def _checked(entries: Sequence[str]) -> tuple[str, ...]:
    for entry in entries:
        if entry not in ("all", "none") and entry[1:] not in CustomOp.op_registry:
            known = ", ".join(sorted(CustomOp.op_registry))
            raise ValueError(
                f"custom operator {entry!r}: expected all, none, or + or - and one of {known}"
            )
    return tuple(entries)
