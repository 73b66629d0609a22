"""Write CMakeUserPresets.json: the configure and build preset `release` of this machine.

    python tools/generate_cmake_presets.py [--check | --print] [--no-input] [--force-overwrite]

Composes tools.presets (machine, presets, file) with tools.toolchain (the choice of nvcc).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)  # run as a file: Python looks for modules beside it

from tools.errors import exit_with  # noqa: E402 - after the path that finds it
from tools.presets.environment import Environment, active  # noqa: E402
from tools.presets.generated import Facts  # noqa: E402
from tools.presets.jobs import Jobs  # noqa: E402
from tools.presets.machine import Machine  # noqa: E402
from tools.presets.plan import Plan, plan, recorded_python  # noqa: E402
from tools.presets.questions import Questions  # noqa: E402
from tools.toolchain import find_toolkit, keep  # noqa: E402

# The order of cmake/deepgemm_compiler_cache.cmake: both ways of configuring choose the same one.
LAUNCHERS = ("sccache", "ccache")
BUILD_TYPES = ("Release", "RelWithDebInfo", "Debug", "MinSizeRel")
HOPPER = "90a"  # decision 10
NO_NVCC = "nvcc: none of CUDA 12.8 or later in CUDA_HOME, torch's toolkit, PATH and wheels"


def main(
    arguments: Sequence[str] | None = None,
    *,
    root: Path = ROOT,
    environ: Mapping[str, str] = os.environ,
    machine: Machine | None = None,
    questions: Questions | None = None,
) -> int:
    """Write, check or print the presets."""
    options = _parse(arguments)
    reads = options.check or options.print
    silent = options.no_input or reads
    asking = questions or Questions.on_terminal(no_input=silent)
    planned = plan(root, _facts(options, root, environ, machine or Machine.read(), asking))
    if options.check:
        planned.require_current()
        print(f"{planned.path.name}: current")
    elif options.print:
        print(planned.text, end="")
    else:
        _write(planned, options.force_overwrite, asking)
    return 0


def examine(root: Path, environ: Mapping[str, str]) -> Plan:
    """Return what `--check` looks at, of the active environment or else of the presets' own; write
    nothing and ask nobody.
    """
    options, asking = _parse(["--check"]), Questions.on_terminal(no_input=True)
    if next(active(environ), None) is None:  # the running one is whoever's that asks
        options.python = recorded_python(root, options.preset)
    return plan(root, _facts(options, root, environ, Machine.read(), asking))


def _facts(
    options: argparse.Namespace,
    root: Path,
    environ: Mapping[str, str],
    machine: Machine,
    questions: Questions,
) -> Facts:
    """Collect what the presets say. Raises: UnfitPythonError, UnfitToolkitError."""
    environment = Environment.find(root, environ, options.python)
    nvcc = _nvcc(options, root, environ, environment, questions)
    launchers = (shutil.which(name, path=environ.get("PATH")) for name in LAUNCHERS)
    launcher = next((Path(found) for found in launchers if found), None)
    threads = len(options.cuda_arch.split(";"))
    return Facts(
        name=options.preset,
        nvcc=nvcc,
        python=environment.python,
        launcher=launcher,
        build_type=options.build_type,
        cuda_flags=environ.get("CUDAFLAGS", ""),  # CMake's own variable for them
        architectures=options.cuda_arch,
        jobs=Jobs.plan(machine, architectures=threads, wanted=options.jobs),
    )


def _nvcc(
    options: argparse.Namespace,
    root: Path,
    environ: Mapping[str, str],
    environment: Environment,
    questions: Questions,
) -> Path | None:
    """Return the nvcc to compile with, asking once where none is found; None for the CPU parts."""
    flag, named = ("--nvcc", options.nvcc) if options.nvcc else ("DEEPGEMM_NVCC", "")
    named = named or environ.get("DEEPGEMM_NVCC", "")
    while True:
        found = find_toolkit(
            root,
            environ,
            named,
            named_by=flag,
            torch=environment.torch_nvccs(),
            packages=environment.packages,
        )
        if found:
            return found.nvcc if options.check or options.print else keep(root, found.nvcc)
        flag, answer = "answer", questions.ask(f"{NO_NVCC}; its path, or empty for CPU parts only:")
        if not answer:
            print(f"{NO_NVCC}: a preset for the CPU parts; else give --nvcc", file=sys.stderr)
            return None
        named = answer


def _write(planned: Plan, forced: bool, questions: Questions) -> None:
    """Write what differs and say so."""
    name = planned.path.name
    if planned.current:
        print(f"{name}: current, nothing written")
        return
    if planned.exists and not forced:
        for change in planned.changes:
            print(f"  {change}", file=sys.stderr)
        forced = questions.agree(f"{name} is there. Write these presets (yours stay)?")
    planned.require_consent(forced)
    planned.write()
    print(f"{name}: written")
    for change in planned.changes:
        print(f"  {change}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="generate_cmake_presets.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--force-overwrite", action="store_true", help="write over generated presets unasked")
    add("--python", metavar="P", help="default: the active environment's, .venv's, this one")
    add("--nvcc", metavar="P", help="default: CUDA_HOME, torch's toolkit, PATH, wheels")
    add("--jobs", metavar="N", type=_count, help="default: what processors and memory bear")
    add("--build-type", metavar="T", choices=BUILD_TYPES, default="Release")
    add("--cuda-arch", metavar="A", default=HOPPER, help=f"default: {HOPPER}; several joined by ;")
    add("--preset", metavar="NAME", default="release", help="default: release")
    add("--no-input", action="store_true", help="ask nothing, also on a terminal")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--check", action="store_true", help="write nothing; 71 if a value differs")
    only.add_argument("--print", action="store_true", help="write nothing; print the file")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    """Return a number of processes."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, found {text}")
    return int(text)


if __name__ == "__main__":
    exit_with(main)
