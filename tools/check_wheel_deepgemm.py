"""Audit a DeepGEMM wheel, or the installed package where no wheel is named; fail on any fault.

    python3 tools/check_wheel_deepgemm.py [WHEEL] [--requires-python SPEC] [--json]

WHEEL is a path, a URL or a requirement such as vllm==0.21.0; of a wheel on a server only the
DeepGEMM part is read. Which kind of wheel it is, its own name and version say.

Runs in any environment that has `packaging`; it imports nothing of what it judges.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
if not __package__:
    # Run as a file: Python looks for modules beside it, where `wheel` is not the one of that name.
    sys.path[0] = str(CHECKOUT)

from tools.errors import ToolError, exit_with  # noqa: E402 - after the path that finds it


class PackagingMissingError(ToolError):
    """The running interpreter lacks the one package that the audit needs."""

    exit_code = 28


def main(arguments: list[str] | None = None) -> int:
    """Print the report and raise WheelAuditError where it has a fault."""
    options = _parse(arguments)
    try:
        from tools.published_wheel import is_elsewhere, judge_elsewhere
        from tools.wheel.audit import audit_installed, audit_wheel
    except ModuleNotFoundError as error:
        raise PackagingMissingError(
            f"{sys.executable}: expected the package `packaging`, found {error}; "
            "install it or run `uv run --no-project --with packaging python "
            "tools/check_wheel_deepgemm.py WHEEL`"
        ) from None
    if options.wheel and is_elsewhere(options.wheel):
        judged = judge_elsewhere(options.wheel, requires_python=options.requires_python)
        report = judged.report
        print(judged.line(), file=sys.stderr)
    elif options.wheel:
        report = audit_wheel(Path(options.wheel), requires_python=options.requires_python)
    else:
        report = audit_installed(
            checkout=CHECKOUT, search_path=sys.path, requires_python=options.requires_python
        )
    print(json.dumps(report.to_json(), indent=2) if options.json else "\n".join(report.lines()))
    report.raise_for_findings()
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="check_wheel_deepgemm.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("wheel", nargs="?", help="default: the installed package")
    parser.add_argument(
        "--requires-python", metavar="SPEC", help="default: what the metadata states"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    exit_with(main)
