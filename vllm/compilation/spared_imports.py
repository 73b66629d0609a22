"""Modules of Inductor's compiler that loading an artefact imports for a name and then does not
use.

They take a second to import (lowering, scheduler, every template of a kernel). Who loads is
answered by a stand-in, which knows those few names; any other one, and any call of what it cannot
answer itself, imports the real module. Torch's own code does the loading.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from vllm.compilation.factors import canonical_json
from vllm.compilation.in_this_thread import answered

EXTERN_KERNELS = "extern_kernels.json"
_SELECT = "torch._inductor.select_algorithm"
_PLANNING = "torch._inductor.codegen.memory_planning"


class StandIn:
    """Something of a module that is not imported: some attributes are known, the others are the
    real one's.
    """

    def __init__(self, find: Callable[[], Any], known: Mapping[str, object]) -> None:
        self.__dict__.update(known)
        self._find = find

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python asks for many that nobody has
            raise AttributeError(name)
        value = getattr(self._find(), name)
        self.__dict__[name] = value
        return value


def save(folder: Path) -> None:
    """Write down which of Inductor's external kernels are torch's function of the same name; call
    it where Inductor has compiled.
    """
    kernels = vars(importlib.import_module(_SELECT).extern_kernels)
    same = [name for name in kernels if kernels[name] is getattr(torch, name, None)]
    (folder / EXTERN_KERNELS).write_text(canonical_json(sorted(same)), encoding="utf-8")


def are_known(folder: Path) -> bool:
    """Whether an entry says enough for its load to be spared anything."""
    return (folder / EXTERN_KERNELS).is_file()


@contextlib.contextmanager
def sparing(folder: Path) -> Iterator[None]:
    """Answer this thread's imports of those modules, unless they are there already.

    Order: one thread at a time, whose caller holds a lock; it changes a function of Python's.
    """
    answers = _answers(json.loads((folder / EXTERN_KERNELS).read_text(encoding="utf-8")))
    real = builtins.__import__

    def answer(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if fromlist:
            full = _full_name(name, globals, level)
            if full in answers and full not in sys.modules:
                return answers[full]
        return real(name, globals, locals, fromlist, level)

    _imply_submodules()
    with answered(builtins, "__import__", answer):
        yield


def _full_name(name: str, scope: Mapping[str, Any] | None, level: int) -> str:
    package = (scope or {}).get("__package__") or ""
    return importlib.util.resolve_name("." * level + name, package) if level and package else name


def _answers(same: list[str]) -> dict[str, StandIn]:
    """Return what stands in for each module, with what its importers make of it."""
    kernels = {name: getattr(torch, name) for name in same}
    names: dict[str, dict[str, object]] = {
        # A type that only annotates: of plain dictionaries.
        "torch._inductor.compile_fx": {"_CompileFxKwargs": dict},
        # Looked at for a hook of torch's tests.
        "torch._inductor.graph": {"GraphLowering": SimpleNamespace(save_output_code=None)},
        # Imported by every wrapper; used by those of graphs that have such kernels or plan memory.
        _SELECT: {"extern_kernels": StandIn(_real(_SELECT, "extern_kernels"), kernels)},
        _PLANNING: {"_align": _align},
    }
    return {name: StandIn(_real(name), known) for name, known in names.items()}


def _align(size: int) -> Any:
    return _real(_PLANNING, "_align")()(size)


def _imply_submodules() -> None:
    """Let torch find the modules that its compiler would have imported as attributes of their
    package, as it takes for granted.
    """
    package, name = torch._inductor, "torch._inductor.debug"
    # Each call of a piece asks this; importing the real module puts that in its place.
    vars(package).setdefault("debug", StandIn(_real(name), {"RECORD_GRAPH_EXECUTION": False}))
    vars(package).setdefault("__getattr__", _submodule)


def _submodule(name: str) -> Any:
    full = f"torch._inductor.{name}"
    if name.startswith("__") or importlib.util.find_spec(full) is None:
        raise AttributeError(f"module 'torch._inductor' has no attribute {name!r}")
    return importlib.import_module(full)


def _real(module: str, name: str | None = None) -> Callable[[], Any]:
    def find() -> Any:
        found = importlib.import_module(module)
        return found if name is None else getattr(found, name)

    return find
