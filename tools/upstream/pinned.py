"""The pinned upstream commit, fetched by git with the two submodules that a build needs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError
from tools.upstream.checkout import SUBMODULES

PIN = Path(__file__).with_name("pin.txt")


class NotFetchedError(ToolError):
    """git could not bring the pinned commit: mend the network, or name a checkout."""

    exit_code: ClassVar[int] = 38


def read_pin(file: Path = PIN) -> tuple[str, str]:
    """Return repository and commit."""
    repository, commit = file.read_text(encoding="utf-8").split()
    return repository, commit


def fetch_pinned(folder: Path, pin: tuple[str, str]) -> Path:
    """Return the checkout of the pinned commit below a folder, fetched where it is not there.

    Raises: NotFetchedError; what was fetched until then is no checkout of that name.
    """
    repository, commit = pin
    checkout = folder / commit
    if checkout.is_dir():
        return checkout
    part = folder / f".{commit}.part"
    part.mkdir(parents=True, exist_ok=True)
    shallow = ("--quiet", "--depth", "1")
    _git(part, "init", "--quiet")
    _git(part, "fetch", *shallow, repository, commit)
    _git(part, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    _git(part, "submodule", "update", *shallow, "--init", *SUBMODULES)
    # Order: the name appears only once everything is below it.
    part.rename(checkout)
    return checkout


def _git(folder: Path, *arguments: str) -> None:
    """Run git; what it says goes to stderr, where it stands above our message."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    except OSError as error:
        code = error.errno or 1
    if code:
        raise NotFetchedError(
            f"{shlex.join(command)}: expected git to end with 0, found {code}; where no network "
            "leads there, clone it elsewhere and name it with --source DIR"
        )
