"""Build one DeepGEMM extension for one interpreter, from csrc/deep_gemm or an upstream checkout.

    python3 tools/build_deepgemm_C.py SRC OUT TARGET_PY

Runs the same CMake functions as the wheel, for a list of one interpreter, in a build folder of its
own that stays: a second run compiles what changed. TARGET_PY gives headers and names only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: Python looks for modules beside it

from tools.errors import ToolError, exit_with  # noqa: E402 - after the path that finds it
from tools.interpreters.facts import Interpreter, ProbeError, ask  # noqa: E402
from tools.interpreters.search import InterpreterUnusableError  # noqa: E402
from tools.place_binaries import write_whole  # noqa: E402
from tools.upstream.checkout import Upstream  # noqa: E402
from tools.upstream.torch import Torch  # noqa: E402
from tools.upstream_wheel import SOURCE, TORCH  # noqa: E402

OWN = ROOT / "csrc" / "deep_gemm"
BUILD = ROOT / "build" / "extensions"
# What would steer CMake past its arguments.
STEERING = (SOURCE, TORCH, "DEEPGEMM_PYTHON_INTERPRETERS")


class ExtensionBuildError(ToolError):
    """Mend what CMake or the compiler complained about, above."""

    exit_code: ClassVar[int] = 39


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is built of what, where, and by which commands."""

    folder: Path
    out: Path
    names: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Build the extension and print the path of each file that was brought to OUT."""
    parser = argparse.ArgumentParser(prog="build_deepgemm_C.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("source", type=Path, metavar="SRC", help="csrc/deep_gemm, or a checkout")
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder for the extension")
    parser.add_argument("target", type=Path, metavar="TARGET_PY", help="a CPython with headers")
    options = parser.parse_args(arguments)
    plan = make_plan(options.source, options.out, options.target, environ)
    for command in plan.commands:
        run(command, environ)
    plan.out.mkdir(parents=True, exist_ok=True)
    for name in plan.names:
        print(write_whole(plan.out / name, (plan.folder / "deep_gemm" / name).read_bytes()))
    return 0


def make_plan(source: Path, out: Path, target: Path, environ: Mapping[str, str]) -> Plan:
    """Decide what is built and how; change nothing.

    Raises: InterpreterUnusableError, NoUpstreamError, NoTorchError.
    """
    python = _ask(target)
    own = source.resolve() == OWN.resolve()
    upstream = None if own else Upstream.read(source)
    torch = Torch.find(environ.get(TORCH, "")) if upstream else None
    key = f"{upstream.folder if upstream else ''} {python.executable}"
    folder = BUILD / f"{python.soabi}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    definitions = {
        "VLLM_PYTHON_EXECUTABLE": sys.executable,
        "DEEPGEMM_PYTHON_INTERPRETERS": str(python.executable),
        SOURCE: str(upstream.folder) if upstream else "",
        TORCH: str(torch.folder) if torch else "",
    }
    extension = f"_C{python.ext_suffix}"
    return Plan(
        folder=folder,
        out=out.absolute(),
        names=(extension,) if upstream else ("libdeep_gemm.so", extension),
        commands=tuple(_commands(folder, definitions, f"deep_gemm_{python.soabi}")),
    )


def run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run one command of CMake; what it says goes to stderr as it comes.

    Raises: ExtensionBuildError.
    """
    kept = {name: value for name, value in environ.items() if name not in STEERING}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    env = {**kept, "PATH": path}
    cmake = shutil.which(command[0], path=path) or command[0]
    try:
        code = subprocess.run(
            [cmake, *command[1:]], cwd=ROOT, env=env, stdout=sys.stderr, check=False
        ).returncode
    except OSError as error:
        raise ExtensionBuildError(
            f"{command[0]}: expected CMake 3.26 or later on PATH, found {error.strerror}; "
            "try: pip install cmake ninja"
        ) from None
    if code:
        raise ExtensionBuildError(
            f"{shlex.join(command)}: expected 0, found {code}; its own message stands above"
        )


def _commands(
    folder: Path, definitions: Mapping[str, str], target: str
) -> Iterator[tuple[str, ...]]:
    options = (f"-D{name}={value}" for name, value in definitions.items())
    yield ("cmake", "--preset", "default", "-B", str(folder), *options)
    yield ("cmake", "--build", str(folder), "--target", target)


def _ask(target: Path) -> Interpreter:
    try:
        python = ask(target)
        if python.error:
            raise ProbeError(python.error)
    except ProbeError as error:
        raise InterpreterUnusableError(
            f"{target}: expected a CPython with headers, found: {error}; "
            "tools/setup_deepgemm_pythons.sh prints some that serve"
        ) from None
    return python


if __name__ == "__main__":
    exit_with(main)
