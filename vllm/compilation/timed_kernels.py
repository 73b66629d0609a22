"""Which configuration of a Triton kernel is the best: timed by who compiled it, and saved with it.

Inductor's artefact holds the answers, and Inductor looks for them beside the source of the kernel,
under the path that it had where it was compiled. That folder is another process's, and gone. This
says where the answers lie now, so that nobody times again. Where nobody keeps answers elsewhere,
loading does not ask under which name they would be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from vllm.compilation.in_this_thread import answered


def timed_where_compiled() -> AbstractContextManager[None]:
    """Let the kernels that this thread loads find their answers in Inductor's folder of now.

    A torch that keeps its kernels otherwise times them again.
    """
    from torch._inductor.triton_bundler import TritonBundler

    load: Any = getattr(TritonBundler, "load_autotuners", None)

    def load_moved(autotuners: Sequence[Any] | None) -> Any:
        for each in autotuners or ():
            _move(each.kernel)
        return load(autotuners)

    return answered(TritonBundler, "load_autotuners", load_moved)


def without_triton_s_driver() -> AbstractContextManager[None]:
    """Let this thread load without making Triton's driver, which names the backend in a key of
    answers that are kept elsewhere.

    Making it builds an extension once per home, and runs `ldconfig`, `file` and `ptxas`, even to
    load a piece of a CPU's. Inductor reads the name only where such answers are in use.
    """
    from torch._inductor import config
    from torch._inductor.runtime import autotune_cache

    if config.bundled_autotune_remote_cache or config.is_fbcode():
        return nullcontext()
    return answered(autotune_cache, "has_triton", lambda: False)


def _move(kernel: Any) -> None:
    """Name the place that a kernel's source would have if it were compiled now."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    if kernel.filename:
        source = Path(kernel.filename)
        kernel.filename = str(Path(cache_dir()) / source.parent.name / source.name)
