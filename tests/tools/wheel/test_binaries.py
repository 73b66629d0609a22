"""Each shared object: every fault of name, loading, linkage and marker is found and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import (
    ABI3,
    ABI3_SOABI,
    FOLDER,
    LIBRARY,
    exact,
    exact_name,
    extension,
    good_files,
    library,
    needing,
    needs_compiler,
    shared_object,
    write_wheel,
)
from tools.wheel.audit import audit_wheel

pytestmark = needs_compiler
Files = dict[str, bytes]


def faults(folder: Path, files: Files) -> list[str]:
    """Return the faults of a wheel of these files, as text."""
    return [str(finding) for finding in audit_wheel(write_wheel(folder, files)).findings]


def with_file(name: str, make: Callable[[], bytes]) -> Callable[[Files], None]:
    """Return an edit that puts one file into the wheel."""
    return lambda files: files.update({name: make()})


def without(*names: str) -> Callable[[Files], None]:
    """Return an edit that leaves files out."""

    def edit(files: Files) -> None:
        for name in names:
            del files[name]

    return edit


def abi3(*flags: str, body: str = "") -> Callable[[], bytes]:
    """Return a maker of an abi3 extension that is wrong in one way."""
    return lambda: extension(ABI3_SOABI, *flags, body=body)


USES_PRIVATE = "extern int _PyRuntime; int use(void) { return _PyRuntime; }"
USES_NEWER = "void *PyType_GetName(void *); void *use(void *t) { return PyType_GetName(t); }"
USES_PYTHON = (
    "int Py_IsInitialized(void); int deep_gemm_configs(void) { return Py_IsInitialized(); }"
)
USES_UNKNOWN = "int deep_gemm_gone(void); int use(void) { return deep_gemm_gone(); }"
OTHER = "int other(void) { return 1; }"


def linked_to(soname: str) -> Callable[[], bytes]:
    """Return a maker of an abi3 extension that needs one library more."""

    def make() -> bytes:
        stub = shared_object(OTHER, f"-Wl,-soname,{soname}", "-nostdlib")
        beside = (("libdeep_gemm.so", library()), ("stub.so", stub))
        source = f"""
        extern void *PyModule_Create2(void *, int);
        int deep_gemm_configs(void); int other(void);
        const char deep_gemm_soabi[] = "deep_gemm_soabi={ABI3_SOABI}";
        void *PyInit__C(void) {{ return PyModule_Create2(0, other() + deep_gemm_configs()); }}
        """
        flags = ("-ldeep_gemm", "-l:stub.so", "-Wl,-rpath,$ORIGIN", "-Wl,--enable-new-dtags")
        return shared_object(source, *flags, beside=beside)

    return make


def with_number(offset: int, number: int) -> Callable[[], bytes]:
    """Return a maker of an abi3 extension with another 16-bit number in its header."""

    def make() -> bytes:
        data = extension(ABI3_SOABI)
        return data[:offset] + number.to_bytes(2, "little") + data[offset + 2 :]

    return make


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(
            without(ABI3),
            f"{FOLDER}: expected an extension for CPython 3.14, which requires-python admits",
            id="a missing extension",
        ),
        pytest.param(
            without(ABI3), f"{ABI3}: expected the file, found no such file", id="no abi3 extension"
        ),
        pytest.param(
            without(LIBRARY), f"{LIBRARY}: expected the file, found no such file", id="no library"
        ),
        pytest.param(
            with_file(exact_name(12), lambda: extension(exact(11))),
            f"found 'deep_gemm_soabi={exact(11)}'",
            id="an extension renamed from another Python",
        ),
        pytest.param(
            with_file(ABI3, lambda: extension(exact(12))),
            f"{ABI3}: expected deep_gemm_soabi={ABI3_SOABI}",
            id="an exact extension renamed to abi3",
        ),
        pytest.param(
            with_file(ABI3, lambda: extension("abi3-0x030C0000")),
            "found 'deep_gemm_soabi=abi3-0x030C0000'",
            id="an abi3 extension of a later floor",
        ),
        pytest.param(
            with_file(exact_name(12), lambda: extension("")),
            f"{exact_name(12)}: expected deep_gemm_soabi={exact(12)}",
            id="no marker",
        ),
        pytest.param(
            with_file(exact_name(14), lambda: extension(exact(13))),
            exact_name(14),
            id="a marker of another version in an optional extension",
        ),
        pytest.param(
            with_file("vllm/_other.so", lambda: shared_object(OTHER)),
            "vllm/_other.so: expected no shared object but _C",
            id="a foreign shared object",
        ),
        pytest.param(
            with_file("vllm/data.bin", lambda: shared_object(OTHER)),
            "vllm/data.bin: expected no shared object but _C",
            id="a foreign shared object without the suffix",
        ),
        pytest.param(
            with_file(f"{FOLDER}/libcudart.so.12", lambda: b""),
            "libcudart.so.12: expected no shared object but _C",
            id="a foreign library with a version suffix",
        ),
        pytest.param(
            with_file(exact_name(9), lambda: extension(exact(9))),
            f"{exact_name(9)}: expected no shared object but _C",
            id="an extension outside requires-python",
        ),
        pytest.param(
            with_file(
                f"{FOLDER}/_C.cpython-313t-x86_64-linux-gnu.so", lambda: extension(exact(13))
            ),
            "313t-x86_64-linux-gnu.so: expected no shared object but _C",
            id="a free-threaded extension",
        ),
        pytest.param(
            with_file(ABI3, abi3(body=USES_PRIVATE)),
            f"{ABI3}: expected no CPython symbols but the limited API of 3.10, found _PyRuntime",
            id="a private CPython symbol in abi3",
        ),
        pytest.param(
            with_file(ABI3, abi3(body=USES_NEWER)),
            "found PyType_GetName",
            id="a symbol of a later limited API in abi3",
        ),
        pytest.param(
            with_file(ABI3, linked_to("libtorch.so")),
            "and the C and C++ runtime, found libtorch.so",
            id="libtorch is needed",
        ),
        pytest.param(
            with_file(ABI3, linked_to("libcudart.so.12")),
            "and the C and C++ runtime, found libcudart.so.12",
            id="libcudart is needed",
        ),
        pytest.param(
            with_file(ABI3, linked_to("libpython3.11.so.1.0")),
            "and the C and C++ runtime, found libpython3.11.so.1.0",
            id="libpython is needed",
        ),
        pytest.param(
            with_file(LIBRARY, lambda: needing("libcuda.so.1", "GLIBC_2.5")),
            f"{LIBRARY}: expected to need nothing but libdeep_gemm.so",
            id="the driver is needed at load time",
        ),
        pytest.param(
            with_file(ABI3, lambda: extension(ABI3_SOABI, rpath="")),
            f"{ABI3}: expected RUNPATH $ORIGIN, found none",
            id="a missing runpath",
        ),
        pytest.param(
            with_file(ABI3, lambda: extension(ABI3_SOABI, rpath="-Wl,-rpath,$ORIGIN:/build")),
            f"{ABI3}: expected RUNPATH $ORIGIN, found $ORIGIN:/build",
            id="a runpath into the build folder",
        ),
        pytest.param(
            with_file(
                LIBRARY, lambda: library("int deep_gemm_configs(void){return 1;}", "-Wl,-rpath,/x")
            ),
            f"{LIBRARY}: expected RUNPATH $ORIGIN, found /x",
            id="a runpath where none is needed",
        ),
        pytest.param(
            with_file(ABI3, abi3("-Wl,--disable-new-dtags")),
            f"{ABI3}: expected no RPATH",
            id="an RPATH in place of a RUNPATH",
        ),
        pytest.param(
            with_file(ABI3, abi3("-Wl,-z,execstack")),
            f"{ABI3}: expected a stack without execution",
            id="an executable stack",
        ),
        pytest.param(
            with_file(ABI3, with_number(16, 2)),
            f"{ABI3}: expected a shared object (type 3), found type 2",
            id="an executable",
        ),
        pytest.param(
            with_file(ABI3, with_number(18, 183)),
            f"{ABI3}: expected machine x86-64 (62), found 183",
            id="another machine",
        ),
        pytest.param(
            with_file(ABI3, lambda: extension(ABI3_SOABI)[:2000]),
            f"{ABI3}: expected a readable ELF file",
            id="a truncated ELF file",
        ),
        pytest.param(
            with_file(ABI3, lambda: shared_object(OTHER)),
            f"{ABI3}: expected the entry point PyInit__C, found none",
            id="a library under the name of an extension",
        ),
        pytest.param(
            with_file(ABI3, lambda: shared_object(OTHER)),
            f"{ABI3}: expected to need libdeep_gemm.so",
            id="an extension that is not linked to the library",
        ),
        pytest.param(
            with_file(LIBRARY, lambda: library(USES_PYTHON)),
            f"{LIBRARY}: expected no CPython symbols outside extensions, found Py_IsInitialized",
            id="CPython symbols in the library",
        ),
        pytest.param(
            with_file(LIBRARY, lambda: shared_object("int deep_gemm_configs(void){return 1;}")),
            f"{LIBRARY}: expected soname libdeep_gemm.so, found none",
            id="a library without soname",
        ),
        pytest.param(
            with_file(LIBRARY, lambda: library(OTHER)),
            f"{ABI3}: expected every symbol in the C and C++ runtime or the needed library, "
            "found deep_gemm_configs",
            id="a library of another build",
        ),
        pytest.param(
            with_file(
                LIBRARY, lambda: library("int deep_gemm_configs(void){return 1;}" + USES_UNKNOWN)
            ),
            f"{LIBRARY}: expected every symbol in the C and C++ runtime",
            id="a library that leaves a symbol open",
        ),
        pytest.param(
            with_file(LIBRARY, lambda: needing("libc.so.6", "GLIBC_2.31")),
            f"{LIBRARY}: expected a glibc floor of 2.17, from the tag manylinux_2_17_x86_64, "
            "found 2.31",
            id="a glibc later than the tag's",
        ),
        pytest.param(
            with_file(LIBRARY, lambda: needing("libstdc++.so.6", "GLIBCXX_3.4.99")),
            f"{LIBRARY}: expected a manylinux binary",
            id="a C++ runtime that no tag knows",
        ),
    ],
)
def test_each_fault_is_found(tmp_path: Path, edit: Callable[[Files], None], message: str) -> None:
    """The finding names the file, what was expected and what was found."""
    files = good_files()
    edit(files)
    assert any(message in fault for fault in faults(tmp_path, files)), faults(tmp_path, files)
