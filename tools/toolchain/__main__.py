"""`python -m tools.toolchain [--nvcc PATH] [--json]`: print the nvcc that compiles the cubins."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from tools.errors import exit_with
from tools.toolchain.toolkit import require_toolkit

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Print the path of nvcc, or with --json all that is known of its toolkit."""
    parser = argparse.ArgumentParser(prog="python -m tools.toolchain", description=__doc__)
    parser.add_argument("--nvcc", default="", help="an nvcc to check instead of looking for one")
    parser.add_argument(
        "--json", action="store_true", help="print include folder, release and origin too"
    )
    options = parser.parse_args()
    toolkit = require_toolkit(ROOT, os.environ, options.nvcc)
    facts = {
        "nvcc": str(toolkit.nvcc),
        "include": str(toolkit.include),
        "release": "{}.{}".format(*toolkit.release),
        "origin": toolkit.origin,
    }
    print(json.dumps(facts) if options.json else toolkit.nvcc)
    return 0


if __name__ == "__main__":
    exit_with(main)
