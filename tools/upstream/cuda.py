"""Headers and libraries of CUDA for upstream's binding: the toolkit's, else those of its wheels.

A toolkit without NVRTC is common, and torch's requirements bring one. What is nowhere is left out:
the compiler or the audit then says which symbol misses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Source: deepseek-ai/DeepGEMM, setup.py; the driver is opened at run time.
LIBRARIES = ("cudart", "nvrtc")
# Where the wheels of CUDA 13 and those of CUDA 12 unpack, beside torch.
WHEELS = ("nvidia/cu13", "nvidia/cuda_runtime", "nvidia/cuda_nvrtc")


@dataclass(frozen=True, kw_only=True)
class Cuda:
    """Folders to search for headers, and one file a library that was found."""

    includes: tuple[Path, ...]
    libraries: tuple[Path, ...]

    @classmethod
    def find(cls, include: Path, packages: Path) -> Cuda:
        """Look in the toolkit of an include folder, then in a folder of installed packages."""
        roots = [include.parent, *(packages / name for name in WHEELS)]
        folders = [include, include / "cccl", *(root / "include" for root in roots[1:])]
        found = (_library(name, roots) for name in LIBRARIES)
        return cls(
            includes=tuple(folder for folder in folders if folder.is_dir()),
            libraries=tuple(file for file in found if file),
        )


def _library(name: str, roots: list[Path]) -> Path | None:
    """Return the first file of that library; wheels have none without a number in its name."""
    folders = [root / part for root in roots for part in ("lib64", "lib")]
    files = (file for folder in folders for file in sorted(folder.glob(f"lib{name}.so*")))
    return next(files, None)
