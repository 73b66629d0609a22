"""Which configuration of a Triton kernel is the best: timed by who compiled it, and saved with it.

Inductor's artefact holds the answers, and Inductor looks for them beside the source of the kernel,
under the path that it had where it was compiled. That folder is another process's, and gone. This
says where the answers lie now, so that nobody times again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def timed_where_compiled() -> Iterator[None]:
    """Let the kernels that this thread loads find their answers in Inductor's folder of now.

    Order: one thread at a time, whose caller holds a lock; it changes a method of Inductor's.
    """
    from torch._inductor.triton_bundler import TritonBundler

    bundler: Any = TritonBundler
    found, thread = vars(bundler).get("load_autotuners"), threading.get_ident()
    if found is None:  # a torch that keeps its kernels otherwise: it times them again
        yield
        return
    load = bundler.load_autotuners

    def load_moved(autotuners: Sequence[Any] | None) -> Any:
        for each in autotuners or () if threading.get_ident() == thread else ():
            _move(each.kernel)
        return load(autotuners)

    bundler.load_autotuners = staticmethod(load_moved)
    try:
        yield
    finally:
        bundler.load_autotuners = found


def _move(kernel: Any) -> None:
    """Name the place that a kernel's source would have if it were compiled now."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    if kernel.filename:
        source = Path(kernel.filename)
        kernel.filename = str(Path(cache_dir()) / source.parent.name / source.name)
