"""The dynamic audit: install a wheel in bare environments, import its extension, run its self-test.

    python -m tools.wheel.import_check WHEEL PYTHON[:PYTHON...] [--json]

Each PYTHON is the interpreter of a virtual environment, into which the wheel is installed. Refuses
to make environments and to judge files that no interpreter imports.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from tools import console
from tools.errors import ToolError, exit_with
from tools.wheel.policy import OURS, Policy

AT_ONCE = 2
INSTALL_SECONDS, IMPORT_SECONDS = 300, 120
# Runs in the interpreter under test. Order: the import comes before anything that could warm it up.
PROBE = """\
import importlib, json, sys, sysconfig, time
name, out, self_test, beside = sys.argv[1:]
sys.path += [beside] if beside else []
start = time.perf_counter()
module = importlib.import_module(name)
milliseconds = (time.perf_counter() - start) * 1000
counts = module.self_test() if self_test else {}
result = {"file": module.__file__, "milliseconds": milliseconds, "counts": counts,
          "prefix": sys.prefix, "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
          "soabi": sysconfig.get_config_var("SOABI")}
with open(out, "w") as stream:
    json.dump(result, stream)
"""


class ImportCheckError(ToolError):
    """The wheel cannot be installed, imported or trusted in an interpreter."""

    exit_code: ClassVar[int] = 27


@dataclass(frozen=True, kw_only=True)
class ImportRow:
    """One interpreter's import, as it happened.

    Units: `milliseconds` is the import alone, the package's own modules included.
    """

    interpreter: str
    soabi: str
    file: str
    bytes: int
    sha256: str
    milliseconds: float
    self_test: dict[str, int]


def check_imports(
    wheel: Path, interpreters: Sequence[Path], *, policy: Policy = OURS, beside: Path | None = None
) -> tuple[ImportRow, ...]:
    """Install the wheel for each interpreter, import its extension and return what was imported.

    `beside` is a folder of packages that the import may use: an upstream extension needs torch.

    Raises: ImportCheckError with the failures of all interpreters.
    """
    extensions = _extensions(wheel, policy)
    if not interpreters:
        raise ImportCheckError(f"{wheel}: expected interpreters to import it in, found none")

    def attempt(interpreter: Path) -> ImportRow | str:
        try:
            return _check(wheel.resolve(), interpreter, extensions, policy, beside)
        except ImportCheckError as error:
            return f"{interpreter}: {error}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = tuple(pool.map(attempt, interpreters))
    failures = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if failures:
        raise ImportCheckError(
            f"{wheel.name}: expected it to import in {len(outcomes)} interpreters, "
            f"found {len(failures)} failures:\n  " + "\n  ".join(failures)
        )
    return tuple(outcome for outcome in outcomes if isinstance(outcome, ImportRow))


def _extensions(wheel: Path, policy: Policy) -> dict[str, str]:
    """Return the SHA-256 of every extension of the wheel, by file name."""
    stem = f"{policy.folder}/{policy.module}."
    try:
        with zipfile.ZipFile(wheel) as archive:
            return {
                name.rpartition("/")[2]: hashlib.sha256(archive.read(name)).hexdigest()
                for name in archive.namelist()
                if name.startswith(stem) and name.endswith(".so")
            }
    except (OSError, zipfile.BadZipFile) as error:
        raise ImportCheckError(f"{wheel}: expected a wheel archive, found {error}") from None


def _check(
    wheel: Path,
    interpreter: Path,
    extensions: dict[str, str],
    policy: Policy,
    beside: Path | None,
) -> ImportRow:
    # Only the folder is made absolute: the interpreter of an environment is itself a link.
    interpreter = interpreter.parent.resolve() / interpreter.name
    if not (interpreter.parent.parent / "pyvenv.cfg").is_file():
        raise ImportCheckError("expected the interpreter of a virtual environment, found another")
    _install(wheel, interpreter)
    result = _probe(interpreter, policy, beside)
    file = Path(result["file"])
    data = file.read_bytes()
    row = ImportRow(
        interpreter=str(interpreter),
        soabi=result["soabi"],
        file=str(file),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        milliseconds=round(result["milliseconds"], 3),
        self_test=result["counts"],
    )
    _judge(row, extensions, policy, prefix=result["prefix"], suffix=result["suffix"])
    return row


def _install(wheel: Path, interpreter: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise ImportCheckError("uv: expected it in $UV or on PATH, found neither; install uv")
    options = ("--no-deps", "--no-index", "--reinstall", "--offline")
    command = (uv, "pip", "install", "--python", str(interpreter), *options, str(wheel))
    _run(command, Path.cwd(), INSTALL_SECONDS)


def _probe(interpreter: Path, policy: Policy, beside: Path | None) -> dict[str, Any]:
    module = f"{policy.folder}/{policy.module}".replace("/", ".")
    # Elsewhere, so that no import can find the checkout.
    with tempfile.TemporaryDirectory() as elsewhere:
        out = Path(elsewhere, "result.json")
        self_test = "self-test" if policy.self_test else ""
        arguments = (module, str(out), self_test, str(beside or ""))
        _run((str(interpreter), "-I", "-c", PROBE, *arguments), Path(elsewhere), IMPORT_SECONDS)
        try:
            result: dict[str, Any] = json.loads(out.read_text())
        except (OSError, ValueError) as error:
            raise ImportCheckError(f"expected the probe's result, found {error}") from None
    counts = result["counts"]
    if not (isinstance(counts, dict) and all(isinstance(n, int) for n in counts.values())):
        raise ImportCheckError(f"expected self_test() to return a dict of counts, found {counts!r}")
    return result


def _judge(
    row: ImportRow, extensions: dict[str, str], policy: Policy, *, prefix: str, suffix: str
) -> None:
    exact = policy.module + suffix
    expected = exact if exact in extensions else f"{policy.module}.abi3.so"
    file = Path(row.file)
    if not file.resolve().is_relative_to(Path(prefix).resolve()):
        raise ImportCheckError(f"expected an import from {prefix}, found {file}")
    if file.name != expected:
        raise ImportCheckError(f"expected an import of {expected}, found {file.name}")
    if row.sha256 != extensions.get(expected):
        raise ImportCheckError(f"expected {expected} as in the wheel, found other bytes in {file}")


def _run(command: Sequence[str], folder: Path, seconds: int) -> None:
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImportCheckError(f"expected {command[0]} to finish, found {error}") from None
    if done.returncode:
        output = (done.stderr or done.stdout).strip()
        shown = "\n    ".join(output.splitlines()[-20:])
        name = Path(command[0]).name
        raise ImportCheckError(
            f"expected {name} to end with 0, found {done.returncode}:\n    {shown}"
        )


def main(arguments: list[str] | None = None) -> int:
    """Check the wheel of the command line and print a row for each interpreter."""
    parser = argparse.ArgumentParser(prog="python -m tools.wheel.import_check")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("interpreters", help="paths of environments' interpreters, joined by ':'")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    paths = [Path(path) for path in options.interpreters.split(os.pathsep) if path]
    rows = check_imports(options.wheel, paths)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return 0
    columns = ("interpreter", "SOABI", "file", "bytes", "SHA-256", "import ms")
    console.table(
        options.wheel.name,
        columns,
        [
            (r.interpreter, r.soabi, Path(r.file).name, r.bytes, r.sha256[:12], r.milliseconds)
            for r in rows
        ],
    )
    return 0


if __name__ == "__main__":
    exit_with(main)
