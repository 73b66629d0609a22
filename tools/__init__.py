"""The orchestration library: facts about builds, wheels and machines, and effects that use them.

It knows the standard library, packaging, PyYAML and rich; it refuses to know nox, Invoke, torch and
vllm. The packages in here don't import one another: a module of this folder composes them.

Importing it replaces `sys.excepthook`: modules import these packages at their top, before any
`main` could say that the running Python lacks one and where to get them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
PACKAGES = ("packaging", "rich", "tomli", "yaml")  # what its group `tools` brings
_otherwise = sys.excepthook


def _say_what_is_missing(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    package = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and package in PACKAGES:
        print(
            f"error: {sys.executable}: expected the package {package}, found none; get all that "
            f"tools need: uv pip install --python {sys.executable} --group {PYPROJECT}:tools",
            file=sys.stderr,
        )
    else:
        _otherwise(kind, error, trace)


sys.excepthook = _say_what_is_missing
