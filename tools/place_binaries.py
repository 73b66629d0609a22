"""Put a wheel's binaries beside their Python files, so that the checkout imports what was shipped.

Knows wheels and this checkout; refuses to write anything but shared objects.
"""

from __future__ import annotations

import argparse
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError, exit_with

ROOT = Path(__file__).resolve().parents[1]
# In the version of a wheel that was built of an upstream checkout.
UPSTREAM = "+upstream."


class NoWheelError(ToolError):
    """Build a wheel first, or name one."""

    exit_code: ClassVar[int] = 34


def main(arguments: Sequence[str] | None = None) -> int:
    """Place the binaries of a wheel, by default the newest in dist/, and print their paths."""
    parser = argparse.ArgumentParser(prog="place_binaries", description=main.__doc__)
    parser.add_argument("wheel", type=Path, nargs="?", help="default: the newest in dist/")
    options = parser.parse_args(arguments)
    for path in place(options.wheel or newest(ROOT / "dist"), ROOT):
        print(path)
    return 0


def newest(folder: Path) -> Path:
    """Return the wheel of a folder that was made last.

    Raises: NoWheelError.
    """
    found = (each for each in folder.glob("vllm_deepgemm-*.whl") if UPSTREAM not in each.name)
    wheels = sorted(found, key=lambda wheel: wheel.stat().st_mtime)
    if not wheels:
        raise NoWheelError(
            f"{folder}: expected a wheel of ours, found none; try: nox -s build_deepgemm"
        )
    return wheels[-1]


def place(wheel: Path, root: Path) -> tuple[Path, ...]:
    """Write each shared object of the wheel whole, remove those of an earlier one, name the new.

    Raises: NoWheelError.
    """
    if UPSTREAM in wheel.name:
        raise NoWheelError(
            f"{wheel}: expected a wheel of csrc/deep_gemm, found upstream's, whose extension the "
            "checkout's Python files cannot use; install it instead"
        )
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".so")]
            placed = tuple(write_whole(root / name, archive.read(name)) for name in names)
    except (OSError, zipfile.BadZipFile) as error:
        raise NoWheelError(f"{wheel}: expected a wheel, found {error}") from error
    for folder in {path.parent for path in placed}:
        for stale in set(folder.glob("*.so")) - set(placed):
            stale.unlink()
    return placed


def write_whole(path: Path, data: bytes) -> Path:
    """Replace a shared object by rename: a process may have mapped the old one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o755)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


if __name__ == "__main__":
    exit_with(main)
