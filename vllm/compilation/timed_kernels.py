"""Which configuration of a Triton kernel is the best: timed by who compiled it, and saved with it.

Inductor's artefact holds the answers, and Inductor looks for them beside the source of the kernel,
under the path that it had where it was compiled. That folder is another process's, and gone. This
says where the answers lie now, so that nobody times again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
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


def _move(kernel: Any) -> None:
    """Name the place that a kernel's source would have if it were compiled now."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    if kernel.filename:
        source = Path(kernel.filename)
        kernel.filename = str(Path(cache_dir()) / source.parent.name / source.name)
