"""The torch to compile against, read from its files: importing it takes seconds.

What a person named is taken or refused; otherwise it is that of the interpreter that runs this.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError

# Source: torch.utils.cpp_extension, include_paths() and library_paths().
INCLUDES = ("include", "include/torch/csrc/api/include")
LIBRARIES = ("torch", "torch_python", "torch_cpu", "torch_cuda", "c10", "c10_cuda")
VERSION = re.compile(r"^__version__\s*(?::\s*\w+\s*)?=\s*['\"]([^'\"]+)", re.MULTILINE)
# A constructor that takes a std::string: which one is in its mangled name.
# Source: Itanium C++ ABI, mangling; GCC, "Dual ABI".
ABI = re.compile(rb"_ZN3c105ErrorC[12]ENS_14SourceLocationE(NSt7__cxx11|Ss)")


class NoTorchError(ToolError):
    """There is no torch to compile against: install one, or name its folder."""

    exit_code: ClassVar[int] = 37


@dataclass(frozen=True, kw_only=True)
class Torch:
    """The folder of an installed torch, its version, and the std::string that it was built with."""

    folder: Path
    version: str
    cxx11_abi: int

    @classmethod
    def find(cls, named: str = "") -> Torch:
        """Return the torch in a named folder, or else that of the running environment.

        Raises: NoTorchError.
        """
        if named:
            return cls.read(Path(named).absolute())
        # Not importlib.util.find_spec: this module's own package must not be taken for it.
        spec = PathFinder.find_spec("torch", [folder for folder in sys.path if folder])
        if spec is None or not spec.origin:
            raise NoTorchError(
                f"torch: expected it in the environment of {sys.executable}, for whose torch "
                "upstream's binding is compiled, found none; install it there, or name its folder "
                "with DEEPGEMM_TORCH"
            )
        return cls.read(Path(spec.origin).parent)

    @classmethod
    def read(cls, folder: Path) -> Torch:
        """Return what the files of a folder say.

        Raises: NoTorchError.
        """
        try:
            version = VERSION.search((folder / "version.py").read_text(encoding="utf-8"))
            abi = ABI.search((folder / "lib" / "libc10.so").read_bytes())
        except OSError as error:
            raise NoTorchError(
                f"{folder}: expected a folder of an installed torch, found no {error.filename}; "
                "name another with DEEPGEMM_TORCH"
            ) from None
        if version is None or abi is None:
            what = "version in version.py" if version is None else "c10::Error in lib/libc10.so"
            raise NoTorchError(f"{folder}: expected an installed torch, found no {what}")
        return cls(folder=folder, version=version[1], cxx11_abi=int(abi[1] != b"Ss"))

    @property
    def release(self) -> str:
        """The version without its local part: what a wheel may require."""
        return self.version.partition("+")[0]

    def serves(self, ext_suffix: str) -> bool:
        """Whether the interpreter with this EXT_SUFFIX can import it."""
        return (self.folder / f"_C{ext_suffix}").is_file()

    @property
    def includes(self) -> tuple[Path, ...]:
        """The folders of its headers."""
        return tuple(self.folder / part for part in INCLUDES)

    @property
    def libraries(self) -> tuple[Path, ...]:
        """The libraries that it has of those that an extension links; a CPU build lacks some."""
        files = (self.folder / "lib" / f"lib{name}.so" for name in LIBRARIES)
        return tuple(file for file in files if file.is_file())
