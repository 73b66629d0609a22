"""Inductor's artefacts as folders: the saved graph, and every binary that loading it would
otherwise build again.

Inductor bundles Triton's cubins into its artefact but no C++ kernels; those are collected from the
folder that it compiles into. That folder is this process's own, fresh for each compilation, so no
cache of Inductor's answers instead.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import fx

from vllm.compilation import cpu_probe, spared_imports
from vllm.compilation.factors import UnsavableError
from vllm.compilation.graph_factors import devices_of
from vllm.compilation.in_this_thread import answered
from vllm.compilation.process_folder import process_folder
from vllm.compilation.timed_kernels import timed_where_compiled, without_triton_s_driver

ARTIFACT = "artifact.bin"
BINARIES = "binaries"

logger = logging.getLogger(__name__)

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

    on_cpu = any(device.type == "cpu" for device in devices_of(graph, inputs))
    with _working, cpu_probe.answering():
        if on_cpu:
            cpu_probe.probe()
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
            _collect(work, folder / BINARIES)
            spared_imports.save(folder)
            if on_cpu:  # the key names the CPU then, and only then
                cpu_probe.save(folder)
    return compiled


def load(folder: Path) -> Callable[..., Any]:
    """Load an artefact with its binaries in place; the folder's files must stay while it lives."""
    with _working, _loading(folder):
        cpu_probe.learn(folder)
        if not spared_imports.are_known(folder):
            return _loaded(folder)
        try:
            with spared_imports.sparing(folder):
                return _loaded(folder)
        except Exception as error:  # a torch that relies on what was spared; it says what else
            logger.info("compile cache: loading again with all of Inductor (%s)", error)
            importlib.import_module("torch._inductor.compile_fx")
            return _loaded(folder)


def _loaded(folder: Path) -> Callable[..., Any]:
    loaded: Callable[..., Any] = torch._inductor.CompiledArtifact.load(
        path=str(folder / ARTIFACT), format="binary"
    )
    return loaded


@contextlib.contextmanager
def _loading(folder: Path) -> Iterator[None]:
    """Let this thread's Inductor work in an entry's folder, and spare it what only compiling needs.

    Headers: Inductor precompiles them before it looks for a built kernel. Switching off
    `cpp_cache_precompile_headers` instead would change kernels' names in torch 2.13.
    Workers: it starts a process per core for the first Triton kernel, though nothing is to compile.
    """
    from torch._inductor import codecache
    from torch._inductor.async_compile import AsyncCompile
    from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir

    with (
        temporary_cache_dir(str(folder / BINARIES)),
        cpu_probe.answering(),
        timed_where_compiled(),
        without_triton_s_driver(),
        answered(codecache, "_precompile_header", lambda *_, **__: None),
        answered(AsyncCompile, "use_process_pool", lambda: False),
    ):
        yield


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
