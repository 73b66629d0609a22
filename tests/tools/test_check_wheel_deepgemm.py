"""The command: exit codes, table and JSON, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import ABI3, good_files, needs_compiler, write_wheel
from tools import check_wheel_deepgemm
from tools.wheel.findings import WheelAuditError

pytestmark = needs_compiler
COMMAND = Path(check_wheel_deepgemm.__file__)


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder of no importance."""
    command = (sys.executable, str(COMMAND), *arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_clean_wheel_gives_its_table_and_0(tmp_path: Path) -> None:
    """Run as a file from elsewhere, it names what serves each CPython."""
    done = run(str(write_wheel(tmp_path)), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "CPython 3.12  _C.cpython-312-x86_64-linux-gnu.so" in done.stdout
    assert "CPython 3.14  _C.abi3.so" in done.stdout


def test_a_faulty_wheel_gives_every_fault_and_a_code(tmp_path: Path) -> None:
    """The faults go to stderr, without a traceback."""
    files = good_files()
    del files[ABI3]
    done = run(str(write_wheel(tmp_path, files)), folder=tmp_path)
    assert done.returncode == WheelAuditError.exit_code
    assert done.stderr.startswith("error: ")
    assert "expected an extension for CPython 3.14" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bare_interpreter_is_told_what_it_lacks(tmp_path: Path) -> None:
    """Without site-packages there is no `packaging`: one line says how to get it."""
    command = (sys.executable, "-S", str(COMMAND), "x.whl")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == check_wheel_deepgemm.PackagingMissingError.exit_code
    assert "--with packaging" in done.stderr
    assert done.stderr.count("\n") == 1


def test_json_is_printed_for_faulty_wheels_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Machines read the same report, and the error follows."""
    wheel = write_wheel(tmp_path, good_files() | {"x.so": b""})
    with pytest.raises(WheelAuditError):
        check_wheel_deepgemm.main([str(wheel), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["clean"] is False
    assert "x.so" in {finding["file"] for finding in report["findings"]}


def test_requires_python_may_be_given(tmp_path: Path) -> None:
    """The option takes the place of the wheel's own."""
    wheel = str(write_wheel(tmp_path))
    check_wheel_deepgemm.main([wheel, "--requires-python", ">=3.10,<3.14"])
    with pytest.raises(WheelAuditError, match="foreign"):
        check_wheel_deepgemm.main([wheel, "--requires-python", ">=3.12"])
