"""Stand-ins for interpreters and uv: small scripts that answer as the real ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.interpreters.facts import Interpreter

FakePython = Callable[..., Interpreter]

UV = """\
import json, os, pathlib, shutil, subprocess, sys, time
arguments = sys.argv[1:]
here = pathlib.Path(__file__).parent
with open(here / "uv.log", "a") as log:
    print(json.dumps({"arguments": arguments, "environ": dict(os.environ)}), file=log)
if "dir" in arguments:
    print(here / "managed")
elif "install" in arguments:
    time.sleep(float(os.environ.get("FAKE_SLOW", "0")))
    if not (here / "store").is_dir():
        sys.exit("error: no network\\n  cause: no route")
    shutil.copytree(here / "store", here / "managed", dirs_exist_ok=True)
elif "venv" in arguments:
    base = arguments[arguments.index("--python") + 1]
    if os.environ.get("FAKE_FULL_DISK") == pathlib.Path(arguments[-1]).name:
        os.makedirs(arguments[-1])
        sys.exit("error: disk full")
    known = json.loads(subprocess.check_output([base]))
    venv = pathlib.Path(arguments[-1])
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(base)
    (venv / "pyvenv.cfg").write_text(
        "home = " + os.path.dirname(base) + "\\nversion_info = " + known["version"]
        + "\\ninclude-system-site-packages = false\\n"
    )
"""


def script(path: Path, body: str) -> Path:
    """Write an executable file for the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return path


def uv_log(fake_uv: Path) -> list[dict[str, Any]]:
    """Return the calls that the fake uv was asked for."""
    log = fake_uv.parent / "uv.log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
