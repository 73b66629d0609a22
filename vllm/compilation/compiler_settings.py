"""The settings of torch's compilers as plain factors: Inductor's and functorch's configuration, and
the C++ compiler.

It knows which settings change no code, so that a log folder costs nobody a recompilation.
Everything else counts.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

from vllm.compilation.factors import Plain, UnkeyableError, plain

# Where things are logged or kept, how many workers compile, how caches behave: nothing of the
# generated code.
WITHOUT_EFFECT = (
    "trace.",
    "aot_inductor.output_path",
    "autoheuristic_log_path",
    "autotune_local_cache",
    "autotune_remote_cache",
    "compile_threads",
    "cuda.cutlass_dir",
    "cutlass.cutlass_dir",
    "debug_ir_traceback",
    "fx_graph_cache",
    "fx_graph_remote_cache",
    "torch_compile_graph_format",
    "torchinductor_worker_logpath",
    "worker_start_method",
    "worker_suppress_logging",
    "xpu.cutlass_dir",
)
# What torch leaves out of its portable snapshot though it changes code or its wrapping: above all
# the passes that a program plugs in, which have to say themselves.
LEFT_OUT_BY_TORCH = (
    "_fuse_ddp_communication_passes",
    "_pre_fusion_custom_pass",
    "always_complex_memory_overlap_TESTING_ONLY",
    "cudagraph_policy",
    "force_disable_cudagraph_TESTING_ONLY",
    "joint_custom_post_pass",
    "joint_custom_pre_pass",
    "post_grad_custom_post_pass",
    "post_grad_custom_pre_pass",
    "pre_grad_custom_pass",
    "pre_grad_pass_timing",
)


def snapshot(
    config: Any, name: str, overlay: Mapping[str, object] | None = None
) -> dict[str, Plain]:
    """Return a configuration module's settings as plain values, with an overlay put over the copy.

    The module itself is only read, so threads may do this at once. As torch sees settings (each
    thread its own since 2.13), so does the snapshot.

    Raises: UnkeyableError names a setting whose value has no canonical form.
    """
    settings = dict(_portable(config, name))
    for left_out in LEFT_OUT_BY_TORCH:
        chosen = getattr(config, left_out, None)
        if chosen is not None:
            settings[left_out] = chosen
    settings.update(overlay or {})
    settings.pop("cpp.cxx", None)  # the compiler's own answer stands in
    return {
        key: plain(value, f"{name}.{key}")
        for key, value in settings.items()
        if not key.startswith(WITHOUT_EFFECT)
    }


def _portable(config: Any, name: str) -> Mapping[str, object]:
    """Return what torch would save of a configuration module."""
    try:
        return _read(config) if _reads_as_torch(config) else _saved(config)
    except Exception as error:  # what a setting's own uuid() or copy raises
        raise UnkeyableError(f"{name}: the settings cannot be read ({error})") from error


@cache
def _reads_as_torch(config: Any) -> bool:
    """Whether reading a module's settings gives what torch saves; asked once, in a torch unknown to
    us it may not.
    """
    return getattr(config, "_config", None) is not None and _read(config) == _saved(config)


def _read(config: Any) -> Mapping[str, object]:
    """Return a module's settings, each as Inductor sees it; torch would copy them all, which takes
    longer than all else of a key.

    Whoever gets them only reads them, at once: lists and the like may be changed in place.

    Source: torch's ConfigModule.save_config_portable
    """
    left_out = tuple(getattr(config, "_cache_config_ignore_prefix", ()))
    values = {
        key: config.__getattr__(key)
        for key, entry in config._config.items()
        if entry.alias is None and not key.startswith(left_out)
    }
    made = getattr(config, "_cache_config_factory_keys", ())
    return _saved(config) if any(values.get(key) is not None for key in made) else values


def _saved(config: Any) -> Mapping[str, object]:
    saved: Mapping[str, object] = config.save_config_portable(ignore_private_configs=False)
    return saved


def cpp_compiler() -> str:
    """Return what the C++ compiler that Inductor would start says of itself."""
    from torch._inductor import config

    cxx: object = config.cpp.cxx
    named = (os.environ.get("CXX"), *(cxx if isinstance(cxx, list | tuple) else (cxx,)))
    return _version_of(next((str(each) for each in named if each), "g++"))


@cache
def _version_of(compiler: str) -> str:
    try:
        answer = subprocess.run([compiler, "--version"], capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "absent"
    return answer.stdout.partition("\n")[0]
