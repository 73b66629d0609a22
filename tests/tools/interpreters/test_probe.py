"""probe.py answers flat JSON on any CPython, and finds the headers that are really there."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import pytest

from tools.interpreters import probe
from tools.interpreters.facts import PROBE, Interpreter

KEYS = (
    "base_executable cache_tag error executable ext_suffix free_threaded implementation include "
    "machine platform platinclude pyconfig_h python_h soabi version"
)


def run_probe(executable: Path | str) -> dict[str, str | bool]:
    """Run probe.py as CMake does."""
    said = subprocess.check_output([str(executable), "-I", "-S", str(PROBE)], text=True)
    known: dict[str, str | bool] = json.loads(said)
    return known


def headers(folder: Path, *names: str) -> str:
    """Make a folder with empty headers."""
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return str(folder)


def name_folders(monkeypatch: pytest.MonkeyPatch, scheme: str, plat: str, includepy: str) -> None:
    """Let sysconfig name these folders."""
    paths = {"include": scheme, "platinclude": plat}
    monkeypatch.setattr(sysconfig, "get_path", paths.__getitem__)
    monkeypatch.setattr(sysconfig, "get_config_var", {"INCLUDEPY": includepy}.get)


def test_it_answers_with_flat_json_and_the_same_keys_always() -> None:
    """CMake's string(JSON) reads strings and booleans by these names."""
    known = run_probe(sys.executable)
    assert sorted(known) == KEYS.split()
    assert {type(value) for value in known.values()} == {str, bool}


def test_it_answers_for_the_interpreter_that_runs_it() -> None:
    """Version, SOABI and suffix are those of the running CPython."""
    known = run_probe(sys.executable)
    assert known["version"] == sys.version.split()[0].rstrip("+")
    assert known["soabi"] == sysconfig.get_config_var("SOABI")
    assert known["ext_suffix"] == sysconfig.get_config_var("EXT_SUFFIX")
    assert known["implementation"] == "cpython"


def test_it_has_no_syntax_and_no_import_that_python_3_8_lacks() -> None:
    """Any CPython of 3.8 or later can run it, with the standard library alone."""
    tree = ast.parse(PROBE.read_text(), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "" if isinstance(node, ast.ImportFrom) else "json"]
        )
    }
    assert imported == {"__future__", "json", "os", "pathlib", "sys", "sysconfig"}


def test_a_virtual_environment_keeps_its_own_path_and_names_its_base(tmp_path: Path) -> None:
    """The executable isn't resolved through the link; pyvenv.cfg says where it came from."""
    base = Path(str(run_probe(sys.executable)["base_executable"]))
    venv = tmp_path / "venv" / "bin"
    venv.mkdir(parents=True)
    (venv.parent / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    (venv / "python").symlink_to(base)
    known = run_probe(venv / "python")
    assert known["executable"] == str(venv / "python")
    assert Path(str(known["base_executable"])).resolve() == base.resolve()
    assert venv not in Path(str(known["base_executable"])).parents


def test_pyvenv_cfg_names_the_base_where_cpython_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython 3.10 takes the link of the environment for the base."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "python3").touch()
    (tmp_path / "pyvenv.cfg").write_text(f"home = {tmp_path}/home\n")
    link = str(tmp_path / "bin" / "python3")
    monkeypatch.setattr(sys, "_base_executable", link)
    assert probe.find_base(link) == f"{tmp_path}/home/python3"


def test_the_scheme_is_right_where_includepy_is_the_prefix_of_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relocated Python still names the folder that it was built for, with other headers even."""
    here = headers(tmp_path / "here", "Python.h", "pyconfig.h")
    stale = headers(tmp_path / "stale", "Python.h", "pyconfig.h")
    name_folders(monkeypatch, scheme=here, plat=here, includepy=stale)
    assert probe.find_headers() == (here, here)


def test_includepy_serves_where_the_scheme_has_no_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second try: some distributions patch the scheme."""
    empty = headers(tmp_path / "empty")
    full = headers(tmp_path / "full", "Python.h", "pyconfig.h")
    name_folders(monkeypatch, scheme=empty, plat=empty, includepy=full)
    assert probe.find_headers() == (full, full)


def test_pyconfig_h_may_lie_in_the_platform_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both folders are needed to compile then."""
    pure = headers(tmp_path / "pure", "Python.h")
    plat = headers(tmp_path / "plat", "pyconfig.h")
    name_folders(monkeypatch, scheme=pure, plat=plat, includepy=pure)
    assert probe.find_headers() == (pure, plat)


def test_missing_headers_are_an_answer_that_names_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither header, or only one of them: said, not guessed."""
    bare = headers(tmp_path / "bare")
    half = headers(tmp_path / "half", "Python.h")
    name_folders(monkeypatch, scheme=bare, plat=bare, includepy=half)
    assert probe.find_error("cpython-312-x86_64-linux-gnu", "", "") == (
        f"no Python.h in {bare} or {half}"
    )
    assert probe.find_headers() == (half, "")
    assert "no pyconfig.h beside" in probe.find_error("cpython-312-x86_64-linux-gnu", half, "")


def test_another_implementation_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPy has headers and a SOABI; an extension for CPython is no use to it."""
    pypy = types.SimpleNamespace(name="pypy", cache_tag="pypy310")
    monkeypatch.setattr(sys, "implementation", pypy)
    known = probe.facts()
    assert known["implementation"] == "pypy"
    assert known["error"] == "it is pypy, not CPython"


@pytest.mark.parametrize(
    ("info", "spelled"),
    [
        ((3, 12, 1, "final", 0), "3.12.1"),
        ((3, 14, 0, "candidate", 2), "3.14.0rc2"),
        ((3, 15, 0, "alpha", 1), "3.15.0a1"),
    ],
)
def test_versions_are_spelled_as_indexes_do(
    monkeypatch: pytest.MonkeyPatch, info: tuple[int, int, int, str, int], spelled: str
) -> None:
    """A prerelease is recognisable."""
    monkeypatch.setattr(sys, "version_info", info)
    assert probe.spell_version() == spelled


def test_the_facts_survive_the_way_through_the_value_type() -> None:
    """Interpreter reads what probe.py prints and writes the same object."""
    known = run_probe(sys.executable)
    assert Interpreter.parse(json.dumps(known)).to_json() == known


def test_a_free_threaded_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no limited API, and the wheel promises it no extension."""
    monkeypatch.setattr(sysconfig, "get_config_var", {"Py_GIL_DISABLED": 1}.get)
    said = probe.find_error("cpython-313t-x86_64-linux-gnu", "/include", "/include")
    assert said.startswith("it is free-threaded")
