"""How a model is compiled: the values that a user chooses, all of them factors of the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

# Attention is opaque to the compiler and takes metadata of the step: graphs are cut at it.
ATTENTION_OPS = ("vllm::unified_attention", "vllm::unified_attention_with_output")


@dataclass(frozen=True, kw_only=True)
class CompilationConfig:
    """How graphs are cut and compiled; `model` is whatever plain values describe the model.

    `mode` "none" runs the model as it is written; compiler "eager" runs each piece's graph
    uncompiled.
    """

    mode: Literal["none", "compile"] = "compile"
    compiler: Literal["inductor", "eager"] = "inductor"
    splitting_ops: tuple[str, ...] = ATTENTION_OPS
    inductor_options: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)


_current: ContextVar[CompilationConfig | None] = ContextVar("compilation_config", default=None)


def current_compilation_config() -> CompilationConfig:
    """Return the configuration that models made here are compiled with."""
    return _current.get() or CompilationConfig()


@contextmanager
def compilation_config(config: CompilationConfig) -> Iterator[None]:
    """Let models that are made inside be compiled with a configuration."""
    token = _current.set(config)
    try:
        yield
    finally:
        _current.reset(token)
