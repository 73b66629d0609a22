"""Where finished wheels go: a folder that only ever holds whole ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError


class OutRefusedError(ToolError):
    """Choose another folder for the wheel."""

    exit_code: ClassVar[int] = 35


def check_out(out: Path) -> None:
    """Refuse a folder that cannot be written, before minutes of work go into its wheel.

    Raises: OutRefusedError.
    """
    there = next(folder for folder in (out, *out.parents) if os.path.lexists(folder))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        found = "no permission to write" if there.is_dir() else "a file"
        raise OutRefusedError(
            f"--out {out}: expected a folder that can be written, found {found} at {there}; "
            "name another"
        )


def publish(wheel: Path, out: Path) -> Path:
    """Put the wheel into `out` whole or not at all.

    Raises: OutRefusedError.
    """
    part = out / f".{wheel.name}.{os.getpid()}.part"
    try:
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wheel, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(out / wheel.name)
    except OSError as error:
        raise OutRefusedError(
            f"--out {out}: expected a folder that can be written, found {error.strerror or error}; "
            "name another: what was compiled is kept"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return out / wheel.name
