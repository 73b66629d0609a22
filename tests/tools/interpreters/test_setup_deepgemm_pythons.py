"""The shell script runs the module from anywhere, with uv and some Python, and writes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tools.interpreters.fakes import script
from tools.interpreters.uv import UvMissingError, find_uv

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tools" / "setup_deepgemm_pythons.sh"
BASH = shutil.which("bash") or "bash"

# Answers `pip compile` with a pin; tells what `run` was asked for, and with which pins and PATH.
ECHO = """
if [ "$1" = pip ]; then [ -z "$BROKEN" ] || exit 2; echo pinned==1; echo "$*" >&2; exit; fi
while [ "$1" != python ]; do [ "$1" = --with-requirements ] && read -r pin < "$2"; shift; done
command=$(printf '%s,' "$@")
echo "$pin|$command|$PATH|$PYTHONPATH"
"""


def run(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script with this environment and no other."""
    return subprocess.run(
        [BASH, str(SCRIPT), *arguments],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_runs_the_module_from_any_folder_and_hands_arguments_on(tmp_path: Path) -> None:
    """Quoting survives; the pins are those of the group `tools` in pyproject.toml."""
    uv = script(tmp_path / "uv", ECHO)
    done = run("3.12", "--venvs", "a b", cwd=tmp_path, UV=str(uv), PATH="/usr/bin", HOME="/none")
    pin, command, _, pythonpath = done.stdout.strip().split("|")
    assert (pin, command) == ("pinned==1", "python,-m,tools.interpreters,3.12,--venvs,a b,")
    assert pythonpath == str(ROOT)
    assert f"--group {ROOT}/pyproject.toml:tools" in done.stderr


def test_it_is_found_without_a_folder_in_its_name(tmp_path: Path) -> None:
    """As `bash setup_deepgemm_pythons.sh` inside of tools."""
    uv = script(tmp_path / "uv", ECHO)
    environ = {"UV": str(uv), "PATH": "/usr/bin", "HOME": "/none"}
    said = subprocess.check_output(
        [BASH, SCRIPT.name], cwd=SCRIPT.parent, env=environ, text=True, stderr=subprocess.DEVNULL
    )
    assert said.strip().endswith(f"|{ROOT}")


def test_uv_sees_no_shims_but_the_interpreters_behind_them(tmp_path: Path) -> None:
    """A broken shim would make uv give up, or take ten seconds for a download."""
    uv = script(tmp_path / "bin" / "uv", ECHO)
    for folder in ("p/shims", "p/plugins/v/shims", "p/versions/3.12.1/bin"):
        script(tmp_path / folder / "python3", "exit 127")
    shims = f"{tmp_path}/p/plugins/v/shims:{tmp_path}/p/shims/"
    path = f"{shims}:{uv.parent}:/usr/bin"
    done = run(cwd=tmp_path, PATH=path, PYENV_ROOT=f"{tmp_path}/p", HOME="/none")
    folders = done.stdout.split("|")[2].split(":")
    assert folders[:2] == [str(uv.parent), "/usr/bin"]
    assert folders[2] == f"{tmp_path}/p/versions/3.12.1/bin"
    assert not [folder for folder in folders if "shims" in Path(folder).parts]


def test_a_machine_without_uv_gets_one_clear_error(tmp_path: Path) -> None:
    """The same exit code as the module's, nothing on stdout."""
    done = run(cwd=tmp_path, PATH=str(tmp_path), HOME="/none")
    assert (done.returncode, done.stdout) == (UvMissingError.exit_code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: uv: expected it as $UV or on PATH")
    assert "python3 -m pip install uv" in line


def test_pins_that_cannot_be_had_end_it(tmp_path: Path) -> None:
    """The module isn't started with whatever is there."""
    uv = script(tmp_path / "uv", ECHO)
    done = run(cwd=tmp_path, UV=str(uv), PATH="/usr/bin", HOME="/none", BROKEN="1")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.network
def test_with_broken_shims_first_on_path_it_still_finds_its_way(tmp_path: Path) -> None:
    """The real uv, a copy of the sources, and nothing new in it but what Python itself caches."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "tools", copy / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name in ("python", "python3", "python3.10", "python3.11", "python3.12", "python3.13"):
        script(tmp_path / "shims" / name, "echo 'pyenv: command not found' >&2; exit 127")
    uv = find_uv(os.environ)
    environ = {**os.environ, "UV": str(uv), "PATH": f"{tmp_path}/shims:{os.environ['PATH']}"}
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    before = sorted(copy.rglob("*"))
    done = subprocess.run(
        [str(copy / "tools" / SCRIPT.name), "--dry-run"],
        cwd=copy,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert sorted(copy.rglob("*")) == before
