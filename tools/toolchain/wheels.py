"""The CUDA toolkit as wheels of a package index: which ones, where they unpack, how they stay.

An isolated build environment lives in a new folder each time, and a compiler whose path changes
makes every cubin stale. So the toolkit is linked into the build folder once.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# One release: nvcc's own requirements are open above and would mix minors (decision 5).
REQUIREMENTS = (
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
)
# All of CUDA 13's wheels share this folder of site-packages; nvcc finds its parts beside itself.
FOLDER = Path("nvidia/cu13")
KEPT = Path("build/toolkit") / REQUIREMENTS[0].partition("==")[2]


def unpacked(root: Path, packages: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield where the nvcc of installed wheels may lie, the kept copy first."""
    yield root / KEPT / "bin" / "nvcc"
    folders = [*packages, *(Path(folder) for folder in sys.path if folder)]
    yield from (folder / FOLDER / "bin" / "nvcc" for folder in folders)


def keep(root: Path, nvcc: Path) -> Path:
    """Return a path of nvcc that stays: a toolkit of wheels is linked into the build folder."""
    source = nvcc.parent.parent
    kept = root / KEPT
    if source.parts[-2:] != FOLDER.parts:
        return nvcc
    if not kept.exists():
        part = kept.with_name(f"{kept.name}.{os.getpid()}.part")
        shutil.copytree(source, part, copy_function=_link)
        part.rename(kept)
    return kept / "bin" / "nvcc"


def _link(source: str, target: str) -> None:
    """Link a file, or copy it across file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
