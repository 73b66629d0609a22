"""What this machine has for the job, in one table with advice: `nox -s doctor`.

Asks the packages of this folder and changes nothing. Exit code 0: the wheel can be built here.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import ClassVar, Literal

from tools import console
from tools.buildkite.devices import installed_gpus
from tools.errors import ToolError, exit_with
from tools.generate_cmake_presets import LAUNCHERS, examine
from tools.interpreters import read_requires_python
from tools.interpreters.places import Places
from tools.interpreters.search import find_interpreters
from tools.interpreters.uv import find_uv
from tools.interpreters.versions import supported_versions
from tools.precompiled.inspection import status
from tools.precompiled.store import Store
from tools.presets.environment import Environment
from tools.toolchain import find_toolkit
from tools.toolchain.wheels import REQUIREMENTS
from tools.wheel.audit import audit_wheel

ROOT = Path(__file__).resolve().parents[1]
HOPPER = "9.0"
# The order in which CMake looks for a C++ compiler that nobody names.
COMPILERS = ("c++", "g++", "clang++")
# A feature of C++20's library that the sources use: compilers before GCC 11 lack it.
PROGRAM = (
    "#include <span>\n#include <bit>\nint main() { return std::has_single_bit(2u) ? 0 : 1; }\n"
)
ANSWER_SECONDS = 30.0

State = Literal["ok", "warn", "FAIL", "none"]


class CannotBuildError(ToolError):
    """Get what the table says that a build lacks."""

    exit_code: ClassVar[int] = 56


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that was looked at; FAIL where no wheel can be built without it."""

    subject: str
    state: State
    found: str
    advice: str = ""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Look at everything and say whether the wheel can be built here.

    Raises: CannotBuildError, after the table.
    """
    parser = argparse.ArgumentParser(prog="nox -s doctor --", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    rows = [look(subject, question, ROOT, environ) for subject, question in QUESTIONS.items()]
    lacking = [row for row in rows if row.state == "FAIL"]
    if options.json:
        data = {"can_build": not lacking, "rows": [asdict(row) for row in rows]}
        print(json.dumps(data, indent=2))
    else:
        cells = [(row.subject, row.state, row.found, row.advice) for row in rows]
        console.table("doctor", ("what", "state", "found", "advice"), cells)
    if lacking:
        found = "\n  ".join(f"{row.subject}: {row.found}; {row.advice}" for row in lacking)
        raise CannotBuildError(f"this machine: expected what a build needs, found\n  {found}")
    if not options.json:
        print("the wheel can be built here")
    return 0


Answer = tuple[State, str, str]  # state, found, advice
Question = Callable[[Path, Mapping[str, str]], Answer]


def look(subject: str, question: Question, root: Path, environ: Mapping[str, str]) -> Row:
    """Ask one question; what a tool refuses is the finding, and only needed tools stop a build."""
    try:
        state, found, advice = question(root, environ)
    except ToolError as error:
        state = "FAIL" if subject in NEEDED else "warn"
        found, _, advice = str(error).removeprefix(f"{subject}: ").partition("; ")
    return Row(subject=subject, state=state, found=found, advice=advice)


def ask_interpreters(root: Path, environ: Mapping[str, str]) -> Answer:
    """Look for every CPython that requires-python admits."""
    requires_python = read_requires_python(root / "pyproject.toml")
    places = Places.from_environment(environ)
    versions = supported_versions(requires_python)
    found = find_interpreters(versions, requires_python=requires_python, places=places)
    names = ", ".join(each.version for each in found.found) or "none with headers"
    if not found.missing:
        return "ok", names, ""
    missing = " ".join(found.missing)
    text = f"{names}; missing {missing}" + ("" if not found.found else ", which abi3 serves")
    return ("warn" if found.found else "FAIL"), text, f"uv python install {missing}"


def ask_uv(_: Path, environ: Mapping[str, str]) -> Answer:
    """Find the uv that builds and makes environments."""
    return "ok", str(find_uv(environ)), ""


def ask_toolkit(root: Path, environ: Mapping[str, str]) -> Answer:
    """Find the nvcc that compiles cubins; where there is none, the build brings one."""
    toolkit = find_toolkit(root, environ, environ.get("DEEPGEMM_NVCC", ""))
    if toolkit:
        release = "{}.{}".format(*toolkit.release)
        return "ok", f"CUDA {release}, {toolkit.nvcc} ({toolkit.origin})", ""
    brought = f"none: a build brings {REQUIREMENTS[0]} from a package index"
    return "warn", brought, "without an index: install CUDA 12.8 or later, or set CUDA_HOME"


def ask_compiler(_: Path, environ: Mapping[str, str]) -> Answer:
    """Let the C++ compiler that CMake would take compile C++20."""
    named = shlex.split(environ.get("CXX", ""))
    around = [
        found for name in COMPILERS if (found := shutil.which(name, path=environ.get("PATH")))
    ]
    command = named or around[:1]
    advice = "install GCC 11 or later, or name a compiler with CXX"
    if not command:
        return "FAIL", "none", advice
    checking = [*command, "-std=c++20", "-fsyntax-only", "-x", "c++", "-"]
    try:
        version = _run([*command, "--version"]).stdout.splitlines()[:1] or ["says no version"]
        checked = _run(checking, given=PROGRAM)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "FAIL", f"{shlex.join(command)}: {error}", advice
    found = f"{command[0]}: {version[0]}"
    return ("ok", found, "") if checked.returncode == 0 else ("FAIL", f"{found}: no C++20", advice)


def ask_torch(root: Path, environ: Mapping[str, str]) -> Answer:
    """Find the torch of the environment by its metadata; a build needs none."""
    environment = Environment.find(root, environ, None)
    paths = [str(folder) for folder in environment.packages]
    versions = [each.version for each in distributions(name="torch", path=paths)]
    if not versions:
        advice = "a build needs none; to look at another environment, activate it"
        return "none", f"none in {environment.python}", advice
    return "ok", f"{versions[0]} in {environment.python}", ""


def ask_gpu(_: Path, environ: Mapping[str, str]) -> Answer:
    """Find the GPUs that the kernels can run on; a build needs none."""
    gpus = installed_gpus(environ)
    found = ", ".join(f"{gpu.name} ({gpu.architecture})" for gpu in gpus)
    if any(gpu.capability == HOPPER for gpu in gpus):
        return "ok", found, ""
    return "none", found or "none", "a build needs none; kernels run on sm_90 (H100, H200, GH200)"


def ask_wheel(root: Path, _: Mapping[str, str]) -> Answer:
    """Audit the newest wheel that was built here."""
    wheels = sorted((root / "dist").glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    if not wheels:
        return "none", "none in dist", "uvx nox -s build_deepgemm"
    report = audit_wheel(wheels[-1])
    if report.findings:
        return "warn", f"{wheels[-1].name}: {len(report.findings)} faults", "build it again"
    return "ok", wheels[-1].name, ""


def ask_precompiled(root: Path, _: Mapping[str, str]) -> Answer:
    """Say what a precompiled install left in this checkout."""
    state = status(root)
    remove = "python -m tools.precompiled remove"
    if state["interrupted"]:
        return "warn", "an install was interrupted", remove
    if not state["installed"]:
        return "none", "nothing installed", ""
    found = f"{len(state['files'])} files of {state['wheel']}"
    if state["changed"]:
        return "warn", f"{found}, {len(state['changed'])} changed since", f"{remove}, then install"
    return "ok", found, ""


def ask_presets(root: Path, environ: Mapping[str, str]) -> Answer:
    """Compare CMakeUserPresets.json with this machine."""
    planned = examine(root, environ)
    write = "python tools/generate_cmake_presets.py"
    if not planned.exists:
        return "none", f"no {planned.path.name}", write
    if planned.current:
        return "ok", f"{planned.path.name} is current", ""
    return "warn", planned.changes[0], f"{write} --force-overwrite"


def ask_cache(_: Path, environ: Mapping[str, str]) -> Answer:
    """Find the cache of the C++ compiler."""
    paths = (shutil.which(name, path=environ.get("PATH")) for name in LAUNCHERS)
    found = next((path for path in paths if path), None)
    if found is None:
        return "none", "no sccache, no ccache", "install one: a fresh build folder then costs less"
    return "ok", found, ""


def ask_downloads(_: Path, __: Mapping[str, str]) -> Answer:
    """Measure the cache of precompiled binaries."""
    folder = Store.from_environment().root
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return ("ok" if size else "none"), f"{size / 1e6:.1f} MB in {folder}", ""


QUESTIONS: Mapping[str, Question] = {
    "interpreters": ask_interpreters,
    "uv": ask_uv,
    "toolkit": ask_toolkit,
    "compiler": ask_compiler,
    "torch": ask_torch,
    "GPU": ask_gpu,
    "wheel": ask_wheel,
    "precompiled": ask_precompiled,
    "presets": ask_presets,
    "compiler cache": ask_cache,
    "download cache": ask_downloads,
}
NEEDED = ("interpreters", "uv", "toolkit", "compiler")


def _run(command: Sequence[str], given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=ANSWER_SECONDS,
    )


if __name__ == "__main__":
    exit_with(main)
