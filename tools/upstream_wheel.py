"""What a wheel of an upstream checkout says of itself: version, tags, requires-python, torch.

Composes tools.upstream, tools.interpreters and tools.wheel; needs nothing but packaging, because
setup.py asks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from tools.interpreters.facts import ProbeError, ask
from tools.interpreters.search import InterpreterUnusableError
from tools.upstream.checkout import Upstream
from tools.upstream.torch import Torch
from tools.wheel.policy import UPSTREAM_MARK

SOURCE = "DEEPGEMM_SRC_DIR"
TORCH = "DEEPGEMM_TORCH"


@dataclass(frozen=True, kw_only=True)
class UpstreamWheel:
    """The checkout, the torch and the CPythons (their minor versions) that a wheel is built of."""

    upstream: Upstream
    torch: Torch
    minors: tuple[int, ...]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> UpstreamWheel | None:
        """Return what the environment asks for, None where it names no checkout.

        Raises: NoUpstreamError, NoTorchError, InterpreterUnusableError.
        """
        if not environ.get(SOURCE):
            return None
        named = environ.get("DEEPGEMM_PYTHON_INTERPRETERS", "").split(os.pathsep)
        executables = [path for path in named if path] or [sys.executable]
        return cls(
            upstream=Upstream.read(Path(environ[SOURCE])),
            torch=Torch.find(environ.get(TORCH, "")),
            minors=tuple(sorted({_minor(Path(path)) for path in executables})),
        )

    def version(self, own: str) -> str:
        """Return our version with the local part that says what was built."""
        return f"{own}+{UPSTREAM_MARK}.{self.upstream.mark}"

    @property
    def requires_python(self) -> SpecifierSet:
        """The CPythons that have an extension in it, no other: nothing there is abi3."""
        first, last = self.minors[0], self.minors[-1]
        gaps = [f",!=3.{minor}.*" for minor in range(first, last) if minor not in self.minors]
        return SpecifierSet(f">=3.{first},<3.{last + 1}{''.join(gaps)}")

    @property
    def python_tag(self) -> str:
        """The interpreter tag, which is the ABI tag too."""
        return ".".join(f"cp3{minor}" for minor in self.minors)

    @property
    def requirement(self) -> str:
        """The one torch release whose libraries the extensions are bound to."""
        return f"torch=={self.torch.release}"


def _minor(executable: Path) -> int:
    try:
        return int(ask(executable).series.partition(".")[2])
    except ProbeError as error:
        raise InterpreterUnusableError(
            f"DEEPGEMM_PYTHON_INTERPRETERS: {executable}: expected a CPython, found: {error}"
        ) from None
