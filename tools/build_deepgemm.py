"""One wheel for every CPython: interpreters, `uv build`, static audit, an import in each, a table.

Composes the packages of this folder; knows the order of the job and nothing of any step's inside.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from tools import console, timeline
from tools.build_report import Built, Plan, built_as_json, plan_as_json, show, spell
from tools.errors import ToolError, exit_with
from tools.interpreters import Interpreter, read_requires_python
from tools.interpreters.__main__ import report
from tools.interpreters.prepare import plan_interpreters, prepare_interpreters
from tools.interpreters.uv import find_uv
from tools.turn import turn
from tools.upstream.checkout import Upstream
from tools.upstream.pinned import fetch_pinned, read_pin
from tools.upstream.torch import Torch
from tools.upstream_wheel import SOURCE, TORCH
from tools.wheel.audit import audit_wheel
from tools.wheel.import_check import ImportRow, check_imports
from tools.wheel.platform_tag import RELEASE_LEVEL, require_release_platform
from tools.wheel.policy import OURS, STANDALONE, UPSTREAM, Policy
from tools.wheel.publish import check_out, publish
from tools.wheel.standalone import make_standalone

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
TIMELINE = BUILD / "timeline.svg"
PINNED = "upstream"  # what --source says for the commit of tools/upstream/pin.txt
DESCRIPTION = ROOT / "docs" / "standalone.md"


class WheelBuildError(ToolError):
    """Mend what the compiler or the build backend complained about, above."""

    exit_code: ClassVar[int] = 33


class StandaloneRefusedError(ToolError):
    """Leave --standalone out, or the upstream checkout."""

    exit_code: ClassVar[int] = 57


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Build the wheel, audit it, and publish it when everything held."""
    options = parse(arguments)
    plan = make_plan(options, environ)
    if options.dry_run:
        print(json.dumps(plan_as_json(plan), indent=2) if options.json else spell(plan))
        return 0
    built = execute(plan, environ)
    wheels = [built, *([built.standalone] if built.standalone else [])]
    for each in wheels:
        show(each)
    paths = "\n".join(str(each.wheel) for each in wheels)
    print(json.dumps(built_as_json(built), indent=2) if options.json else paths)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="build_deepgemm", description=main.__doc__)
    add_wheel_options(parser)
    add_process_options(parser)
    options = parser.parse_args(arguments)
    if options.jobs is not None and options.jobs < 1:
        parser.error(f"--jobs {options.jobs}: expected 1 or more")
    return options


def add_wheel_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides which wheels come out, and where."""
    add = parser.add_argument
    add(
        "--python",
        action="append",
        default=[],
        metavar="VERSION",
        help="3.12, or a path; again for more (default: all of requires-python)",
    )
    add(
        "--strict",
        action="store_true",
        help="as for a release: a CPython that is nowhere is an error, not a warning, and so is a "
        f"platform tag above manylinux_2_{RELEASE_LEVEL}",
    )
    add(
        "--standalone",
        action="store_true",
        help=f"a second wheel, {STANDALONE.distribution}: the same as package deep_gemm",
    )
    add(
        "--out",
        type=Path,
        default=ROOT / "dist",
        metavar="DIR",
        help="where the wheel goes (default: dist)",
    )
    add(
        "--source",
        default="",
        metavar="DIR",
        help="an upstream DeepGEMM checkout, or the pinned commit (upstream); default: ours",
    )


def add_process_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides how they are built and what is printed."""
    add = parser.add_argument
    add("--jobs", type=int, metavar="N", help="compiler processes at a time (default: one a core)")
    add(
        "--no-build-isolation",
        action="store_true",
        help="build with the packages of this environment",
    )
    add("--dry-run", action="store_true", help="print the plan, change nothing")
    add("--json", action="store_true", help="print plan or result as JSON")


def make_plan(options: argparse.Namespace, environ: Mapping[str, str]) -> Plan:
    """Decide what to build for and how; change nothing.

    Raises: OutRefusedError, and the errors of tools.interpreters and tools.upstream that a plan can
    meet.
    """
    check_out(options.out.absolute())
    source = options.source or environ.get(SOURCE, "")
    if source and options.standalone:
        raise StandaloneRefusedError(
            f"--standalone: expected our own sources, found {source} (--source or {SOURCE}); "
            "upstream packs itself as deep_gemm: leave one of both out"
        )
    if source not in {"", PINNED}:
        source = str(Upstream.read(Path(source)).folder)
    plan = plan_interpreters(
        options.python,
        requires_python=read_requires_python(ROOT / "pyproject.toml"),
        directory=BUILD / "pythons",
        environ=environ,
    )
    isolation = ("--no-build-isolation",) if options.no_build_isolation else ()
    command = (str(find_uv(environ)), "build", "--wheel", "--python", sys.executable, *isolation)
    return Plan(
        interpreters=plan,
        source=source,
        torch=Torch.find(environ.get(TORCH, "")) if source else None,
        strict=options.strict,
        standalone=options.standalone,
        command=command,
        jobs=options.jobs,
        out=options.out.absolute(),
    )


def execute(plan: Plan, environ: Mapping[str, str]) -> Built:
    """Carry the plan out, step by step; nothing reaches `out` before every audit has passed.

    Raises: the error of the first step that fails.
    """
    # The bare environments are shared: another build's wheel must not be imported for ours.
    with turn(BUILD / ".build_deepgemm.lock"):
        return build_and_publish(plan, environ)


def build_and_publish(plan: Plan, environ: Mapping[str, str]) -> Built:
    """Go through the steps; the caller sees to it that nobody else does."""
    prepared = prepare_interpreters(plan.interpreters, strict=plan.strict, environ=environ)
    if plan.source:
        report(prepared, otherwise="the wheel cannot be installed there, upstream has no abi3")
    else:
        report(prepared)
    plan = fetch_source(plan)
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=BUILD) as folder:
        wheels = make_wheels(plan, prepared.interpreters, Path(folder), environ)
        rows = [check(each, policy, prepared.interpreters, plan) for each, policy in wheels]
        with console.step(f"publish in {plan.out}"):
            results = [
                Built(
                    wheel=publish(each, plan.out),
                    sha256=hashlib.sha256(each.read_bytes()).hexdigest(),
                    rows=found,
                    missing=prepared.found.missing,
                )
                for (each, _), found in zip(wheels, rows, strict=True)
            ]
    return replace(results[0], standalone=results[1] if plan.standalone else None)


def fetch_source(plan: Plan) -> Plan:
    """Return the plan with a checkout's folder where it names the pinned commit."""
    if plan.source != PINNED:
        return plan
    with console.step("fetch the pinned upstream commit"):
        return replace(plan, source=str(fetch_pinned(BUILD / "upstream", read_pin())))


def make_wheels(
    plan: Plan, targets: Sequence[Interpreter], folder: Path, environ: Mapping[str, str]
) -> list[tuple[Path, Policy]]:
    """Build the wheel into a folder, and the second one from it where the plan has one."""
    with console.step("build the wheel"):
        started_ns = time.time_ns()
        wheel = build(plan, targets, folder, environ)
    with console.step(f"draw {TIMELINE.relative_to(ROOT)}"):
        draw_timeline(started_ns)
    if not plan.standalone:
        return [(wheel, OURS)]
    with console.step("pack it as deep_gemm"):
        other = make_standalone(wheel, folder, DESCRIPTION.read_text())
    return [(wheel, OURS), (other, STANDALONE)]


def check(
    wheel: Path, policy: Policy, targets: Sequence[Interpreter], plan: Plan
) -> tuple[ImportRow, ...]:
    """Audit a wheel and import it in each interpreter.

    Raises: WheelAuditError, PlatformTooNewError, ImportCheckError.
    """
    with console.step(f"audit {wheel.name}"):
        audit_wheel(wheel).raise_for_findings()
        if plan.strict:
            require_release_platform(wheel)
    with console.step("install and import it in each environment"):
        return import_in_each(wheel, targets, plan.torch, policy)


def import_in_each(
    wheel: Path, targets: Sequence[Interpreter], torch: Torch | None, policy: Policy = OURS
) -> tuple[ImportRow, ...]:
    """Import the wheel's extension in each environment that can: an upstream one wants its torch.

    Raises: ImportCheckError.
    """
    if torch is None:
        return check_imports(wheel, [each.executable for each in targets], policy=policy)
    able = [each for each in targets if torch.serves(each.ext_suffix)]
    unable = [each.series for each in targets if each not in able]
    if unable:
        print(
            f"not imported under {', '.join(unable)}: {torch.folder} is not theirs", file=sys.stderr
        )
    if not able:
        return ()
    paths = [each.executable for each in able]
    return check_imports(wheel, paths, policy=UPSTREAM, beside=torch.folder.parent)


def build(
    plan: Plan,
    targets: Sequence[Interpreter],
    folder: Path,
    environ: Mapping[str, str],
) -> Path:
    """Run `uv build` for the interpreters and return the wheel that it put into the folder.

    Raises: WheelBuildError.
    """
    jobs = {"CMAKE_BUILD_PARALLEL_LEVEL": str(plan.jobs)} if plan.jobs else {}
    chosen = {SOURCE: plan.source, TORCH: str(plan.torch.folder) if plan.torch else ""}
    paths = os.pathsep.join(str(target.executable) for target in targets)
    command = [*plan.command, "--out-dir", str(folder), str(ROOT)]
    code = subprocess.run(
        command,
        env={**environ, **jobs, **chosen, "DEEPGEMM_PYTHON_INTERPRETERS": paths},
        stdout=sys.stderr,
        check=False,
    ).returncode
    wheels = list(folder.glob("*.whl"))
    if code or len(wheels) != 1:
        raise WheelBuildError(
            f"{shlex.join(command)}: expected one wheel, found exit code {code} and {len(wheels)} "
            "wheels; its own message stands above"
        )
    return wheels[0]


def draw_timeline(started_ns: int) -> None:
    """Draw what ninja ran since a time, beside the build folder.

    Raises: console.Skip where it ran nothing.
    """
    steps = timeline.read_steps(BUILD / "cmake" / ".ninja_log", since_ns=started_ns)
    if not steps:
        raise console.Skip("nothing was compiled")
    seconds = max(step.end for step in steps) / 1000
    TIMELINE.write_text(timeline.draw(steps, f"{len(steps)} steps in {seconds:.1f} s"))


if __name__ == "__main__":
    exit_with(main)
