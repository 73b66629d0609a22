"""Which Python environment a preset is for, and what is installed there; nothing is imported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.presets.errors import UnfitPythonError

MINIMUM = (3, 10)
ANSWER_LIMIT_S = 10.0
QUESTION = (
    "import json, sys, sysconfig; print(json.dumps({'version': list(sys.version_info[:2]), "
    "'packages': sorted({sysconfig.get_path('purelib'), sysconfig.get_path('platlib')})}))"
)
# Where a toolkit of one CUDA release is installed, and where a machine's only one is.
TOOLKITS = ("usr/local/cuda-{release}", "usr/local/cuda")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An interpreter that answers, its package folders, and the CUDA release of its torch."""

    python: Path
    packages: tuple[Path, ...]
    torch_cuda: str  # "13.0"; empty without torch, or with one for CPUs

    @classmethod
    def find(cls, root: Path, environ: Mapping[str, str], named: str | None) -> Environment:
        """Return the named environment, else the active one, else the running one.

        Raises: UnfitPythonError.
        """
        python = Path(os.path.abspath(named)) if named else next(_usual(root, environ))  # noqa: PTH100 - a link to python is the environment
        answer = _ask(python)
        if isinstance(answer, str):
            raise UnfitPythonError(
                f"--python {python}: expected a CPython of {MINIMUM[0]}.{MINIMUM[1]} or later, "
                f"found {answer}; name another with --python"
            )
        return cls(python=python, packages=answer, torch_cuda=_torch_cuda(answer))

    def torch_nvccs(self, root: Path = Path("/")) -> Iterator[Path]:
        """Yield where the toolkit that this environment's torch was built with may lie."""
        if self.torch_cuda:
            for folder in TOOLKITS:
                yield root / folder.format(release=self.torch_cuda) / "bin" / "nvcc"


def active(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the interpreters of the environments that are active."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(variable):
            yield from _there(Path(environ[variable]))


def _usual(root: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the interpreters that a person who names none may mean."""
    yield from active(environ)
    if sys.prefix == sys.base_prefix:
        yield from _there(root / ".venv")
    yield Path(sys.executable)


def _there(prefix: Path) -> Iterator[Path]:
    python = prefix / "bin" / "python"
    if python.exists():
        yield python


def _ask(python: Path) -> tuple[Path, ...] | str:
    """Return the package folders of an interpreter, or why it does not serve."""
    try:
        answer = subprocess.run(
            [str(python), "-I", "-c", QUESTION],
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_LIMIT_S,
        )
        facts = json.loads(answer.stdout)
        if tuple(facts["version"]) < MINIMUM:
            return "{}.{}".format(*facts["version"])
        return tuple(Path(folder) for folder in facts["packages"])
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer in {ANSWER_LIMIT_S:g} s"
    except (ValueError, KeyError, TypeError):
        return "something else than an answer"


def _torch_cuda(packages: tuple[Path, ...]) -> str:
    """Return the CUDA release that torch's own version file names; importing torch takes long."""
    for folder in packages:
        try:
            text = (folder / "torch" / "version.py").read_text(encoding="utf-8")
        except OSError:
            continue
        said = re.search(r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", text, re.M)
        return said[1] if said else ""
    return ""
