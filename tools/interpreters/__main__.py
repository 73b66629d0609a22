"""`python -m tools.interpreters`: print the interpreters of bare environments, joined by ":"."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import console
from tools.errors import exit_with
from tools.interpreters import download
from tools.interpreters.prepare import Plan, Prepared, plan_interpreters, prepare_interpreters
from tools.interpreters.search import Found
from tools.interpreters.versions import read_requires_python

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Plan, prepare, and print the paths, ready for DEEPGEMM_PYTHON_INTERPRETERS."""
    options = parse(arguments)
    plan = plan_interpreters(
        options.versions,
        requires_python=read_requires_python(ROOT / "pyproject.toml"),
        directory=options.venvs,
        environ=environ,
    )
    if options.dry_run:
        print(json.dumps(plan_as_json(plan), indent=2) if options.json else describe(plan))
        return 0
    prepared = prepare_interpreters(plan, strict=options.strict, environ=environ)
    report(prepared)
    if options.json:
        print(json.dumps(prepared_as_json(prepared), indent=2))
    else:
        print(os.pathsep.join(str(each.executable) for each in prepared.interpreters))
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.interpreters", description=main.__doc__)
    parser.add_argument(
        "versions",
        metavar="VERSION",
        nargs="*",
        help="3.12, or the path of an interpreter (default: all that requires-python admits)",
    )
    parser.add_argument("--strict", action="store_true", help="a missing version is an error")
    parser.add_argument(
        "--venvs",
        metavar="DIR",
        type=Path,
        default=ROOT / "build" / "pythons",
        help="where the bare environments go (default: build/pythons of the checkout)",
    )
    parser.add_argument("--json", action="store_true", help="print all that was found out instead")
    parser.add_argument("--dry-run", action="store_true", help="print the plan, change nothing")
    return parser.parse_args(arguments)


def describe(plan: Plan) -> str:
    """Return the plan as lines: what is downloaded, made and kept."""
    lines = [f"download  uv {' '.join(download.command(plan.download))}"] if plan.download else []
    lines += [
        f"missing   {version} ({plan.refusal})" for version in plan.found.missing if plan.refusal
    ]
    lines += [
        f"{venv.action:<9} {venv.folder} from {venv.base.executable} ({venv.base.version})"
        for venv in plan.venvs
    ]
    return "\n".join(lines)


def report(prepared: Prepared, *, otherwise: str = "the abi3 module serves it") -> None:
    """Show what was found, and warn about what was not; `otherwise` says what that means."""
    rows = [(each.version, each.soabi, each.base_executable) for each in prepared.interpreters]
    console.table("interpreters", ("version", "SOABI", "made from"), rows)
    if prepared.found.missing:
        missing = ", ".join(prepared.found.missing)
        console.stderr.print(
            f"warning: CPython {missing}: no interpreter with its headers is here, so no extension "
            f"is compiled for it; {otherwise} (--strict makes this an error that says "
            "where was looked)",
            markup=False,
        )


def plan_as_json(plan: Plan) -> dict[str, object]:
    """Return the plan as plain values."""
    venvs = [
        {"folder": str(venv.folder), "action": venv.action, "made_from": str(venv.base.executable)}
        for venv in plan.venvs
    ]
    facts = [each.to_json() for each in plan.found.found]
    return {
        "interpreters": facts,
        **found_as_json(plan.found),
        "download": list(plan.download),
        "tried": plan.tried,
        "venvs": venvs,
    }


def prepared_as_json(prepared: Prepared) -> dict[str, object]:
    """Return what was prepared as plain values."""
    facts = [each.to_json() for each in prepared.interpreters]
    return {"interpreters": facts, **found_as_json(prepared.found), "tried": prepared.tried}


def found_as_json(found: Found) -> dict[str, object]:
    """Return what a search missed, passed over, and where it looked."""
    passed_over = [
        {"executable": str(each.executable), "reason": each.reason} for each in found.passed_over
    ]
    return {
        "missing": list(found.missing),
        "passed_over": passed_over,
        "looked": list(found.looked),
    }


if __name__ == "__main__":
    exit_with(main)
