"""Inductor's artefacts as folders: the saved graph, and every binary that loading it would
otherwise build again.

Inductor bundles Triton's cubins into its artefact but no C++ kernels; those are collected from the
folder that it compiles into. That folder is this process's own, fresh for each compilation, so no
cache of Inductor's answers instead.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import fx

from vllm.compilation.factors import UnsavableError
from vllm.compilation.process_folder import process_folder

ARTIFACT = "artifact.bin"
BINARIES = "binaries"

# Order: Inductor's working folder is a variable of the whole process; one compilation or load at a
# time sets it.
_working = threading.RLock()


def compile_graph(
    graph: fx.GraphModule,
    inputs: Sequence[object],
    folder: Path | None,
    *,
    options: Mapping[str, Any],
    bundled: bool = False,
) -> Callable[..., Any]:
    """Compile a graph and save it in `folder`, where there is one.

    Raises: UnsavableError, which holds the compiled graph, where that cannot be saved.
    """
    from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir

    with _working:
        probed = _probe_cpu() if any(_on_cpu(value) for value in inputs) else None
        work = Path(tempfile.mkdtemp(dir=process_folder()))
        with temporary_cache_dir(str(work)):
            compiled: Callable[..., Any] = torch._inductor.standalone_compile(
                graph,
                list(inputs),
                dynamic_shapes="from_tracing_context",
                options={"config_patches": dict(options)},
                **({"aot": True} if bundled else {}),
            )
        if folder is not None:
            _save(compiled, folder)
            for place in filter(None, (probed, work)):
                _collect(place, folder / BINARIES)
    return compiled


def load(folder: Path) -> Callable[..., Any]:
    """Load an artefact with its binaries in place; the folder's files must stay while it lives."""
    from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir

    with _working, temporary_cache_dir(str(folder / BINARIES)):
        loaded: Callable[..., Any] = torch._inductor.CompiledArtifact.load(
            path=str(folder / ARTIFACT), format="binary"
        )
    return loaded


def _save(compiled: Any, folder: Path) -> None:
    try:
        compiled.save(path=str(folder / ARTIFACT), format="binary")
    except Exception as error:  # Inductor has many kinds of it for a graph without saved form
        reason = f"inductor: the compiled graph cannot be saved ({error})"
        raise UnsavableError(reason, compiled) from error


def _collect(work: Path, destination: Path) -> None:
    """Copy every shared object of a working folder, under the same relative paths."""
    for file in sorted(work.rglob("*.so")):
        target = destination / file.relative_to(work)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(0o755)


@cache
def _probe_cpu() -> Path:
    """Let Inductor find out the CPU's vector instructions, which compiles, and return the folder of
    the answers.
    """
    from torch._inductor.cpu_vec_isa import pick_vec_isa
    from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir

    work = Path(tempfile.mkdtemp(prefix="isa-", dir=process_folder()))
    with temporary_cache_dir(str(work)):
        pick_vec_isa()
    return work


def _on_cpu(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.device.type == "cpu"
