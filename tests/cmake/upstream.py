"""Little upstream checkouts, and a torch of two headers and a library for most of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.cmake.tree import Tree

CXX = shutil.which("c++") or shutil.which("g++")
# As upstream's: a pybind11 module that uses torch, its own headers and those of its submodules.
BINDING = """\
#include <pybind11/pybind11.h>
#include <c10/core/DeviceType.h>
#include <cutlass/cutlass.h>
#include <deep_gemm/gemm.cuh>
#include <fmt/format.h>
#include "jit/compiler.hpp"

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.attr("device") = c10::DeviceTypeName(c10::DeviceType::CPU, true);
}
"""
HEADERS = (
    "csrc/jit/compiler.hpp",
    "deep_gemm/include/deep_gemm/gemm.cuh",
    "third-party/cutlass/include/cutlass/cutlass.h",
    "third-party/fmt/include/fmt/format.h",
)
SOURCES = {
    "csrc/python_api.cpp": BINDING,
    # Not all the same: GCC takes equal files of one second, each with that pragma, for one.
    **{name: f"#pragma once  // {name}\n" for name in HEADERS},
    "third-party/cutlass/include/cute/layout.hpp": "#pragma once\n",
    "third-party/cutlass/README.md": "",
    "deep_gemm/__init__.py": "from ._C import device\n\n__version__ = '2.5.0'\n",
    "deep_gemm/utils/__init__.py": "",
    "deep_gemm/envs.py": "persistent_envs = {'DG_JIT_CACHE_DIR': 'of a machine'}\n",
    "setup.py": "raise SystemExit('this build asks for none')\n",
}
# What the binding uses of pybind11 and torch, so that a compile takes a tenth of a second.
FAKE_PYBIND = """\
#include <Python.h>
#include <string>
struct attribute { PyObject* module; void operator=(const std::string& text) {
  PyModule_AddStringConstant(module, "device", text.c_str()); } };
struct little_module { PyObject* module; attribute attr(const char*) { return {module}; } };
#define LITTLE_INIT(name) PyInit_##name
#define PYBIND11_MODULE(name, m) \\
  static void fill(little_module); \\
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_C"}; \\
  PyMODINIT_FUNC LITTLE_INIT(name)() { \\
    PyObject* made = PyModule_Create(&definition); fill({made}); return made; } \\
  static void fill(little_module m)
"""
FAKE_C10 = """\
#include <string>
namespace c10 {
enum class DeviceType { CPU };
std::string DeviceTypeName(DeviceType, bool);
struct SourceLocation {};
struct Error { Error(SourceLocation, std::string); };
}
"""
FAKE_LIBRARY = """\
#include "include/c10/core/DeviceType.h"
namespace c10 {
std::string DeviceTypeName(DeviceType, bool) { return "cpu"; }
Error::Error(SourceLocation, std::string) {}
}
"""


def write_upstream(folder: Path) -> Path:
    """Write a checkout with its submodules and return it."""
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def write_torch(folder: Path, *, version: str = "2.99.0+cpu", cxx11_abi: int = 1) -> Path:
    """Write a folder that looks like an installed torch and return it."""
    for name, text in (
        ("include/pybind11/pybind11.h", FAKE_PYBIND),
        ("include/c10/core/DeviceType.h", FAKE_C10),
        ("version.py", f"__version__ = '{version}'\ncuda: Optional[str] = None\n"),
        ("c10.cpp", FAKE_LIBRARY),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "lib").mkdir()
    options = ("-shared", "-fPIC", f"-D_GLIBCXX_USE_CXX11_ABI={cxx11_abi}", "-Wl,-soname,libc10.so")
    command = [str(CXX), *options, "-o", "lib/libc10.so", "c10.cpp"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def configure(tree: Tree, source: Path, torch: Path, *pythons: Path) -> None:
    """Configure a miniature for an upstream checkout."""
    done = tree.configure(
        DEEPGEMM_SRC_DIR=str(source),
        DEEPGEMM_TORCH=str(torch),
        DEEPGEMM_PYTHON_INTERPRETERS=os.pathsep.join(map(str, pythons)),
    )
    assert done.returncode == 0, done.stdout


def stale(tree: Tree) -> set[str]:
    """Return what ninja would make: an object by its folder and name, anything else by its name."""
    lines = tree.ninja("-n", "-v").stdout.splitlines()
    words = [line.split() for line in lines if " -o " in line]
    outputs = [Path(line[line.index("-o") + 1]) for line in words]
    return {
        f"{path.parts[1]}/{path.name}" if path.suffix == ".o" else path.name for path in outputs
    }
