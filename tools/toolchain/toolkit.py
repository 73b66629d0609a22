"""Find the CUDA toolkit that compiles the cubins, and check its release.

What a person named (an argument, CUDACXX, CUDA_HOME) is taken or refused. What merely lies around
(PATH, wheels) is passed over when it does not serve.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError
from tools.toolchain.wheels import REQUIREMENTS, unpacked

# The first release that the kernels are compiled and tested with (decision 10).
MINIMUM = (12, 8)
ANSWER_LIMIT_S = 30.0


class NoToolkitError(ToolError):
    """Install a CUDA toolkit or its wheels, or name an nvcc."""

    exit_code: ClassVar[int] = 31


class UnfitToolkitError(ToolError):
    """Name another nvcc: the named one is not there, does not answer or is too old."""

    exit_code: ClassVar[int] = 32


@dataclass(frozen=True, kw_only=True)
class Toolkit:
    """An nvcc that answers, the folder of its cuda.h, its release, and the rule that found it."""

    nvcc: Path
    include: Path
    release: tuple[int, int]
    origin: str


def missing_requirements(root: Path, environ: Mapping[str, str]) -> list[str]:
    """List the wheels that a build has to bring because no toolkit is here.

    Raises: UnfitToolkitError.
    """
    found = find_toolkit(root, environ, environ.get("DEEPGEMM_NVCC", ""))
    return [] if found else list(REQUIREMENTS)


def require_toolkit(root: Path, environ: Mapping[str, str], named: str = "") -> Toolkit:
    """Return the toolkit to compile with.

    Raises: UnfitToolkitError, NoToolkitError.
    """
    toolkit = find_toolkit(root, environ, named)
    if toolkit is None:
        seen = "; ".join(_passed_over(root, environ)) or "none"
        raise NoToolkitError(
            f"nvcc: expected CUDA {_spell(MINIMUM)} or later (decision 10) named by DEEPGEMM_NVCC, "
            f"CUDACXX or CUDA_HOME, or on PATH; found {seen}; "
            f"try: uv pip install {' '.join(REQUIREMENTS)}"
        )
    return toolkit


def find_toolkit(
    root: Path,
    environ: Mapping[str, str],
    named: str = "",
    *,
    named_by: str = "DEEPGEMM_NVCC",
    torch: Iterable[Path] = (),
    packages: Iterable[Path] = (),
) -> Toolkit | None:
    """Return the first toolkit that serves, the named before the lying around; None if none does.

    `torch` are places of the toolkit of an environment's torch, `packages` its package folders.

    Raises: UnfitToolkitError.
    """
    for origin, nvcc in _named(environ, named, named_by):
        found = _ask(nvcc, origin)
        if isinstance(found, Toolkit):
            return found
        raise UnfitToolkitError(
            f"{origin}={nvcc}: expected an nvcc of CUDA {_spell(MINIMUM)} or later (decision 10), "
            f"found {found}; name another or unset {origin}"
        )
    around = _lying_around(root, environ, torch, packages)
    answers = (_ask(nvcc, origin) for origin, nvcc in around)
    return next((found for found in answers if isinstance(found, Toolkit)), None)


def _named(environ: Mapping[str, str], named: str, by: str) -> Iterator[tuple[str, Path]]:
    """Yield what a person asked for, the nearest wish first."""
    if named:
        yield by, Path(named)
    if environ.get("CUDACXX"):
        name = environ["CUDACXX"]
        yield "CUDACXX", Path(shutil.which(name, path=environ.get("PATH")) or name)
    if environ.get("CUDA_HOME"):
        yield "CUDA_HOME", Path(environ["CUDA_HOME"]) / "bin" / "nvcc"


def _lying_around(
    root: Path,
    environ: Mapping[str, str],
    torch: Iterable[Path] = (),
    packages: Iterable[Path] = (),
) -> Iterator[tuple[str, Path]]:
    """Yield the places where a toolkit usually is, the machine's before the wheels'."""
    yield from (("torch", nvcc) for nvcc in torch)
    on_path = shutil.which("nvcc", path=environ.get("PATH", ""))
    if on_path:
        yield "PATH", Path(on_path)
    yield from (("wheels", nvcc) for nvcc in unpacked(root, packages))


def _passed_over(root: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield each nvcc that is there and does not serve, with the reason."""
    for origin, nvcc in _lying_around(root, environ):
        found = _ask(nvcc, origin)
        if nvcc.exists() and isinstance(found, str):
            yield f"{nvcc} ({origin}: {found})"


def _ask(nvcc: Path, origin: str) -> Toolkit | str:
    """Return the toolkit behind an nvcc, or why it does not serve."""
    try:
        version = _run(nvcc, "--version")
        # nvcc may be a script on PATH: only its own plan says where its headers are.
        plan = _run(nvcc, "--dryrun", "-E", "-x", "cu", os.devnull)
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer in {ANSWER_LIMIT_S:g} s"
    match = re.search(r"release (\d+)\.(\d+)", version)
    if match is None:
        return "no release in its answer to --version"
    release = (int(match[1]), int(match[2]))
    if release < MINIMUM:
        return f"release {_spell(release)}"
    folders = [Path(folder) for folder in re.findall(r'^#\$ INCLUDES="-I([^"]+)"', plan, re.M)]
    include = next((folder for folder in folders if (folder / "cuda.h").is_file()), None)
    if include is None:
        return f"no cuda.h in {', '.join(map(str, folders)) or 'what --dryrun names'}"
    return Toolkit(nvcc=nvcc, include=include, release=release, origin=origin)


def _run(nvcc: Path, *arguments: str) -> str:
    """Return what nvcc prints, on either stream."""
    answer = subprocess.run(
        [str(nvcc), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=ANSWER_LIMIT_S,
    )
    return answer.stdout


def _spell(release: tuple[int, int]) -> str:
    return f"{release[0]}.{release[1]}"
