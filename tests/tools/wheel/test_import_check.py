"""The dynamic audit, with this interpreter, real environments and a real extension."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import (
    FOLDER,
    LIBRARY,
    TAG,
    library,
    needs_compiler,
    shared_object,
    write_wheel,
)
from tools.wheel.import_check import ImportCheckError, check_imports, main
from tools.wheel.policy import UPSTREAM

UV = os.environ.get("UV") or shutil.which("uv")
INCLUDE = sysconfig.get_path("include")
SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))
pytestmark = [
    needs_compiler,
    pytest.mark.skipif(UV is None, reason="needs uv in $UV or on PATH"),
    pytest.mark.skipif(not Path(INCLUDE, "Python.h").is_file(), reason="needs Python.h"),
]
COUNTS = 'Py_BuildValue("{s:i}", "configs", deep_gemm_configs())'
MODULE = """
#include <Python.h>
int deep_gemm_configs(void);
static PyObject *self_test(PyObject *self, PyObject *none) { return RESULT; }
static PyMethodDef methods[] = {{"self_test", self_test, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", 0, -1, methods};
PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
"""


def module(result: str = COUNTS) -> bytes:
    """Return an extension for this interpreter whose self-test returns `result`."""
    flags = (f"-I{INCLUDE}", "-ldeep_gemm", "-Wl,-rpath,$ORIGIN", "-Wl,--enable-new-dtags")
    beside = (("libdeep_gemm.so", library()),)
    return shared_object(MODULE.replace("RESULT", result), *flags, beside=beside)


def wheel_of(folder: Path, extension: bytes, name: str = f"_C{SUFFIX}", face: str = "") -> Path:
    """Write a wheel with one extension."""
    files = {
        "vllm/__init__.py": b"",
        "vllm/third_party/__init__.py": b"",
        f"{FOLDER}/__init__.py": face.encode(),
        f"{FOLDER}/{name}": extension,
        LIBRARY: library(),
    }
    return write_wheel(folder, files, tag=TAG)


def environment(folder: Path) -> Path:
    """Return the interpreter of a new bare environment."""
    base = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    command = (str(UV), "venv", "--quiet", "--offline", "--python", str(base), str(folder))
    subprocess.run(command, check=True)
    return folder / "bin" / "python"


def test_it_imports_from_each_environment(tmp_path: Path) -> None:
    """Each row names the file inside its own environment, as it is in the wheel."""
    wheel = wheel_of(tmp_path, module())
    interpreters = [environment(tmp_path / "one"), environment(tmp_path / "two")]
    rows = check_imports(wheel, interpreters)
    assert [Path(row.interpreter) for row in rows] == interpreters
    for row in rows:
        assert Path(row.file).is_relative_to(Path(row.interpreter).parent.parent)
        assert Path(row.file).name == f"_C{SUFFIX}"
        assert row.self_test == {"configs": 7}
        assert row.bytes == len(module())


def test_an_extension_for_all_is_imported_where_no_exact_one_is(tmp_path: Path) -> None:
    """The abi3 file is what is expected where the wheel has no exact extension."""
    wheel = wheel_of(tmp_path, module(), "_C.abi3.so")
    (row,) = check_imports(wheel, [environment(tmp_path / "one")])
    assert Path(row.file).name == "_C.abi3.so"


def test_a_new_wheel_of_the_same_version_is_the_one_that_is_checked(tmp_path: Path) -> None:
    """What an earlier check installed or an installer cached is replaced."""
    python = environment(tmp_path / "one")
    check_imports(wheel_of(tmp_path, module()), [python])
    other = module('Py_BuildValue("{s:i}", "configs", 9)')
    wheel = wheel_of(tmp_path, other)
    (row,) = check_imports(wheel, [python])
    assert row.self_test == {"configs": 9}
    Path(row.file).unlink()
    assert check_imports(wheel, [python])[0].file == row.file


def test_an_upstream_extension_is_imported_with_its_torch_and_not_tested(tmp_path: Path) -> None:
    """Its package imports torch, which lies in another environment; it has no self-test."""
    wheel = wheel_of(tmp_path, module(FAILED), face="import little_torch")
    python = environment(tmp_path / "one")
    with pytest.raises(ImportCheckError, match="No module named 'little_torch'"):
        check_imports(wheel, [python], policy=UPSTREAM)
    beside = tmp_path / "site-packages"
    beside.mkdir()
    (beside / "little_torch.py").touch()
    (row,) = check_imports(wheel, [python], policy=UPSTREAM, beside=beside)
    assert (Path(row.file).name, row.self_test) == (f"_C{SUFFIX}", {})


FAILED = '(PyErr_SetString(PyExc_RuntimeError, "no cubins"), (PyObject *)0)'
ELSEWHERE = """
import pathlib, shutil, tempfile
here = pathlib.Path(__file__).parent
away = pathlib.Path(tempfile.mkdtemp(dir=here.parents[6]))
for file in here.glob("*.so"):
    shutil.copy(file, away)
__path__.insert(0, str(away))
"""
PASSED_OVER = """
import importlib.util, pathlib, sys
file = pathlib.Path(__file__).with_name("_C.abi3.so")
spec = importlib.util.spec_from_file_location(__name__ + "._C", file)
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
"""


@pytest.mark.parametrize(
    ("extension", "name", "face", "message"),
    [
        (lambda: module(FAILED), f"_C{SUFFIX}", "", "no cubins"),
        (lambda: module("PyLong_FromLong(3)"), f"_C{SUFFIX}", "", "a dict of counts, found 3"),
        (module, "_C.cpython-39-x86_64-linux-gnu.so", "", "No module named"),
        (lambda: b"no ELF file", f"_C{SUFFIX}", "", "ImportError"),
        (module, f"_C{SUFFIX}", "raise SystemExit(5)", "found 5"),
        (module, f"_C{SUFFIX}", ELSEWHERE, "expected an import from"),
    ],
)
def test_each_failure_is_reported(
    tmp_path: Path, extension: object, name: str, face: str, message: str
) -> None:
    """A failed self-test, a foreign or broken extension, an import from elsewhere: all errors."""
    assert callable(extension)
    wheel = wheel_of(tmp_path, extension(), name, face)
    with pytest.raises(ImportCheckError, match="found 1 failures") as error:
        check_imports(wheel, [environment(tmp_path / "one")])
    assert message in str(error.value)


def test_an_import_of_the_other_file_is_a_failure(tmp_path: Path) -> None:
    """Where the exact extension is passed over for the abi3 one, the name gives it away."""
    files = {
        "vllm/__init__.py": b"",
        "vllm/third_party/__init__.py": b"",
        f"{FOLDER}/__init__.py": PASSED_OVER.encode(),
        f"{FOLDER}/_C{SUFFIX}": module(),
        f"{FOLDER}/_C.abi3.so": module(),
        LIBRARY: library(),
    }
    with pytest.raises(
        ImportCheckError, match=r"expected an import of _C\.cpython.*found _C\.abi3"
    ):
        check_imports(write_wheel(tmp_path, files), [environment(tmp_path / "one")])


def test_all_failures_are_collected(tmp_path: Path) -> None:
    """One error names each interpreter that can't import, and the system's own is left alone."""
    wheel = wheel_of(tmp_path, module())
    alone, absent = Path(sys.base_prefix, "bin", "python3"), tmp_path / "none" / "bin" / "python"
    with pytest.raises(ImportCheckError, match=r"(?s)2 failures.*virtual.*virtual"):
        check_imports(wheel, [alone, absent])
    with pytest.raises(ImportCheckError, match="found none"):
        check_imports(wheel, [])
    with pytest.raises(ImportCheckError, match="expected a wheel archive"):
        check_imports(tmp_path / "gone.whl", [alone])


def test_an_absent_uv_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without uv nothing can be installed, and the error says where it was looked for."""
    wheel, python = wheel_of(tmp_path, module()), environment(tmp_path / "one")
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportCheckError, match=r"uv: expected it in \$UV or on PATH"):
        check_imports(wheel, [python])


def test_other_bytes_than_the_wheels_are_a_failure(tmp_path: Path) -> None:
    """An installation that is not what the wheel holds is not trusted."""
    python = environment(tmp_path / "one")
    wheel = wheel_of(
        tmp_path,
        module(),
        face=(
            "import pathlib\nfile = next(pathlib.Path(__file__).parent.glob('_C*'))\n"
            "data = file.read_bytes()\nfile.unlink()\nfile.write_bytes(data + b'x')\n"
        ),
    )
    with pytest.raises(ImportCheckError, match="found other bytes"):
        check_imports(wheel, [python])


def test_the_command_prints_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` gives the rows on stdout, without it a table goes to stderr."""
    wheel = wheel_of(tmp_path, module())
    python = environment(tmp_path / "one")
    assert main([str(wheel), str(python), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["soabi"] == sysconfig.get_config_var("SOABI")
    assert main([str(wheel), f"{python}:"]) == 0
    assert zipfile.is_zipfile(wheel)
