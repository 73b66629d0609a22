"""Stand-ins for programs: executable files that this Python runs, wherever it lies."""

from __future__ import annotations

import sys
from pathlib import Path

# Not `#!python`: a kernel splits that line at spaces. The shell execs what Python reads as a text.
PREAMBLE = f"""\
#!/bin/sh
''':'
exec '{sys.executable}' -IS "$0" "$@"
'''
"""


def python_script(path: Path, body: str) -> Path:
    """Write an executable file that runs the body, with nothing but the standard library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PREAMBLE + body)
    path.chmod(0o755)
    return path
