"""What a build of the wheel will do and what it has done: values, and how they are said.

Plain lines, a closing table, JSON; nothing here decides or builds.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools import console
from tools.interpreters.__main__ import describe
from tools.interpreters.prepare import Plan as InterpreterPlan
from tools.upstream.torch import Torch
from tools.wheel.import_check import ImportRow
from tools.wheel.policy import STANDALONE

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be built for, by which command, and where the wheel will lie."""

    interpreters: InterpreterPlan
    source: str  # an upstream checkout, "upstream" for the pinned one, or "" for ours
    torch: Torch | None  # what an upstream checkout is compiled against
    strict: bool
    standalone: bool
    command: tuple[str, ...]
    jobs: int | None
    out: Path


@dataclass(frozen=True, kw_only=True)
class Built:
    """The published wheel and what was measured of each extension in it."""

    wheel: Path
    sha256: str
    rows: tuple[ImportRow, ...]
    missing: tuple[str, ...]
    standalone: Built | None = None


def show(built: Built) -> None:
    """Print the closing table."""
    columns = ("interpreter", "SOABI", "file", "bytes", "SHA-256", "import ms")
    rows = [
        (
            os.path.relpath(row.interpreter, ROOT),
            row.soabi,
            Path(row.file).name,
            row.bytes,
            f"{row.sha256[:16]}…",
            row.milliseconds,
        )
        for row in built.rows
    ]
    console.table(f"{built.wheel.name}  SHA-256 {built.sha256}", columns, rows)


def spell(plan: Plan) -> str:
    """Return the plan as lines."""
    torch = f"\nsource    {plan.source}\ntorch     {plan.torch.folder}" if plan.torch else ""
    packed = f"\npack      {STANDALONE.distribution}" if plan.standalone else ""
    return (
        f"{describe(plan.interpreters)}{torch}\nrun       {shlex.join(plan.command)}{packed}\n"
        f"publish   {plan.out}"
    )


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain values."""
    return {
        "interpreters": [each.to_json() for each in plan.interpreters.found.found],
        "missing": list(plan.interpreters.found.missing),
        "source": plan.source,
        "torch": str(plan.torch.folder) if plan.torch else "",
        "strict": plan.strict,
        "standalone": plan.standalone,
        "command": list(plan.command),
        "jobs": plan.jobs,
        "out": str(plan.out),
    }


def built_as_json(built: Built) -> dict[str, Any]:
    """Return the result as plain values."""
    return {
        "wheel": str(built.wheel),
        "sha256": built.sha256,
        "missing": list(built.missing),
        "extensions": [asdict(row) for row in built.rows],
        "standalone": built_as_json(built.standalone) if built.standalone else None,
    }
