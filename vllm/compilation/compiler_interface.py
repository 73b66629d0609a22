"""Compilers behind one interface, and the factors that they add to a key.

One place says which functorch settings this package compiles with: `_get_vllm_functorch_config`.
The key reads it over a copy of the settings, a compilation applies it, so both see the same.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import fx

from vllm import envs
from vllm.compilation import inductor_artifact
from vllm.compilation.compiler_settings import snapshot
from vllm.compilation.config import CompilationConfig
from vllm.compilation.factors import Plain, UnkeyableError

Compiled = Callable[..., Any]


class CompilerInterface(Protocol):
    """What the backend needs of a compiler."""

    name: str

    def factors(self) -> dict[str, Plain]:
        """Return what the compiler adds to a key, beside the graph.

        Raises: UnkeyableError where that is not known.
        """

    def compile(
        self, graph: fx.GraphModule, inputs: Sequence[object], folder: Path | None
    ) -> Compiled:
        """Compile a graph, and leave in the folder what `load` needs, where there is one.

        Raises: UnsavableError, which holds the result, where that cannot be saved.
        """

    def load(self, folder: Path) -> Compiled:
        """Return what was compiled into a folder."""


def _get_vllm_functorch_config() -> dict[str, Any]:
    """Return the functorch settings that this package compiles with, where they differ from the
    user's.
    """
    if envs.VLLM_USE_MEGA_AOT_ARTIFACT:
        return {"bundled_autograd_cache": True}
    return {"bundled_autograd_cache": False}


def set_functorch_config() -> None:
    """Apply those settings to this thread's compilations; doing it again changes nothing."""
    import torch._functorch.config as functorch_config

    for name, value in _get_vllm_functorch_config().items():
        if getattr(functorch_config, name, value) != value:
            setattr(functorch_config, name, value)


def get_inductor_factors() -> list[Plain]:
    """Return [system, torch's own key, Inductor's settings, functorch's settings], all plain
    values.

    Settings are read from copies: nothing is patched, and threads cannot disturb one another.

    Raises: UnkeyableError names what cannot be read.
    """
    import torch._functorch.config as functorch_config
    import torch._inductor.config as inductor_config

    return [
        *_machine_of_torch(),
        snapshot(inductor_config, "inductor"),
        snapshot(functorch_config, "functorch", _get_vllm_functorch_config()),
    ]


@cache
def hash_compilers() -> threading.Thread:
    """Begin to hash Triton, where there is one, and torch, beside whatever the caller does next.

    Both are factors: Triton is 400 MB, torch some thousands of files.
    """
    # Order: imported here, not in the thread, which would see half of what others import.
    from torch._inductor.codecache import torch_key
    from torch._inductor.runtime.triton_compat import HAS_TRITON, triton_key

    def remember() -> None:
        for ask in (triton_key, torch_key) if HAS_TRITON else (torch_key,):
            with contextlib.suppress(Exception):  # whoever needs it meets the error
                ask()  # they keep the answer

    thread = threading.Thread(target=remember, name="hash-compilers", daemon=True)
    thread.start()
    return thread


def _machine_of_torch() -> tuple[Plain, Plain]:
    from torch._inductor.codecache import CacheBase, torch_key

    hash_compilers().join()
    return CacheBase.get_system(), torch_key().hex()


class EagerAdaptor:
    """Runs each piece as torch.compile traced it; nothing is compiled, so nothing is kept."""

    name = "eager"

    def factors(self) -> dict[str, Plain]:
        """Refuse: there is nothing that a cache could keep."""
        raise UnkeyableError("eager: runs graphs as they are")

    def compile(
        self, graph: fx.GraphModule, inputs: Sequence[object], folder: Path | None
    ) -> Compiled:
        """Return the graph itself."""
        run: Compiled = graph
        return run

    def load(self, folder: Path) -> Compiled:
        """Refuse: nothing is ever saved."""
        raise NotImplementedError("eager: nothing is saved")


class InductorStandaloneAdaptor:
    """Inductor's standalone compilation, its artefact saved with every binary that loading it would
    build.
    """

    name = "inductor"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(options or {})

    def factors(self) -> dict[str, Plain]:
        """Return Python's, torch's, Inductor's and functorch's factors."""
        system, torch_key, inductor, functorch = get_inductor_factors()
        return {
            "name": self.name,
            "python": sys.implementation.cache_tag,  # C++ kernels are extensions of one CPython
            "torch_version": torch.__version__,
            "system": system,
            "torch": torch_key,
            "inductor": inductor,
            "functorch": functorch,
        }

    def compile(
        self, graph: fx.GraphModule, inputs: Sequence[object], folder: Path | None
    ) -> Compiled:
        """Compile a graph with Inductor and save it."""
        set_functorch_config()
        return inductor_artifact.compile_graph(
            graph,
            inputs,
            folder,
            options=self._options,
            bundled=envs.VLLM_USE_MEGA_AOT_ARTIFACT,
        )

    def load(self, folder: Path) -> Compiled:
        """Load an artefact; its files must stay while it lives."""
        set_functorch_config()
        return inductor_artifact.load(folder)


def is_compile_cache_enabled() -> bool:
    """Whether compiled artefacts are kept: neither our switch nor Inductor's forbids it."""
    import torch._inductor.config as inductor_config

    return not (envs.VLLM_DISABLE_COMPILE_CACHE or inductor_config.force_disable_caches)


def make_compiler(config: CompilationConfig) -> CompilerInterface:
    """Return the compiler that a configuration names."""
    if config.compiler == "eager":
        return EagerAdaptor()
    return InductorStandaloneAdaptor(config.inductor_options)


def torch_state(*, threads: bool) -> dict[str, Plain]:
    """Return torch's global switches that compiled code depends on; thread counts where CPU code is
    made.
    """
    precision = {
        "float32_matmul": torch.get_float32_matmul_precision(),
        "cuda_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cuda_fp16_reduction": torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        "cuda_bf16_reduction": torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
    }
    autocast = {
        device: str(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else None
        for device in ("cpu", "cuda")
    }
    state: dict[str, Plain] = {
        "autocast": autocast,
        "default_dtype": str(torch.get_default_dtype()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "fill_uninitialized": torch.utils.deterministic.fill_uninitialized_memory,
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "precision": {name: plain_or_text(value) for name, value in precision.items()},
    }
    return {**state, "threads": torch.get_num_threads()} if threads else state


def plain_or_text(value: object) -> Plain:
    """Return a switch as JSON can hold it."""
    return value if isinstance(value, bool | int | str) or value is None else str(value)
