"""Wheels whose extensions are bound to torch: as vLLM publishes them, and as built here."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.tools.wheel.little_wheels import (
    DIST_INFO,
    FOLDER,
    REQUIRES_PYTHON,
    exact,
    exact_name,
    member,
    record_of,
    shared_object,
)

NAME = "vllm-0.21.0-cp38-abi3-manylinux_2_24_x86_64.whl"
TORCH = "libtorch_python.so"
MINORS = (10, 11, 12, 13, 14)
REQUIREMENTS = ("numpy", "torch==2.11.0", 'flashinfer-python==0.6; extra == "flashinfer"')


def stub(soname: str) -> tuple[str, bytes]:
    """Return a library of that name with a function that an extension calls."""
    word = soname.split(".", maxsplit=1)[0]
    text = shared_object(f"int use_{word}(void) {{ return 1; }}", f"-Wl,-soname,{soname}")
    return f"{word}.so", text


def bound(*sonames: str, marker: str = "", body: str = "") -> bytes:
    """Return a _C that needs these libraries; CPython's symbols are those of pybind11."""
    words = [soname.split(".")[0] for soname in sonames]
    calls = " + ".join(f"use_{word}()" for word in words) or "1"
    source = f"""
    extern void *PyModule_Create2(void *, int);
    extern void *_PyObject_GetDictPtr(void *);
    {"".join(f"int use_{word}(void);" for word in words)}
    {f'const char deep_gemm_soabi[] = "deep_gemm_soabi={marker}";' if marker else ""}
    {body}
    void *PyInit__C(void) {{
        return ({calls}) ? PyModule_Create2(0, 1013) : _PyObject_GetDictPtr(0);
    }}
    """
    links = (f"-l:{word}.so" for word in words)
    return shared_object(source, *links, beside=tuple(stub(soname) for soname in sonames))


def published_files(minors: Sequence[int] = MINORS) -> dict[str, bytes]:
    """Return the DeepGEMM part of a wheel for these CPythons, and some of the rest."""
    extension = bound("libtorch_cpu.so", "libcudart.so.13")
    return {
        "vllm/__init__.py": b"",
        "vllm/_C.abi3.so": b"not read" * 40_000,
        f"{FOLDER}/__init__.py": b"",
        f"{FOLDER}/include/cutlass/cutlass.h": b"",
        **{exact_name(minor): extension for minor in minors},
    }


def write_published(
    folder: Path,
    files: Mapping[str, bytes] | None = None,
    *,
    requirements: Sequence[str] = REQUIREMENTS,
    recorded: Mapping[str, bytes] | None = None,
) -> Path:
    """Write such a wheel; as theirs, it was renamed after its WHEEL file was written."""
    members = dict(published_files() if files is None else files)
    return write_stating(
        folder / NAME,
        members,
        stated=f"Name: vllm\nVersion: 0.21.0\nRequires-Python: {REQUIRES_PYTHON}\n",
        requirements=requirements,
        tags=("cp38-abi3-linux_x86_64",),
        recorded=recorded,
    )


def write_stating(
    path: Path,
    files: Mapping[str, bytes],
    *,
    stated: str,
    requirements: Sequence[str],
    tags: Sequence[str],
    recorded: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a wheel whose metadata states just that; RECORD tells of `recorded` where given."""
    info = f"{'-'.join(path.name.split('-')[:2])}.dist-info"
    required = "".join(f"Requires-Dist: {each}\n" for each in requirements)
    lines = "".join(f"Tag: {tag}\n" for tag in tags)
    wheel = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\n{lines}"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.4\n{stated}{required}".encode(),
        f"{info}/WHEEL": wheel.encode(),
    }
    record = record_of(members | dict(recorded or {})).replace(DIST_INFO.encode(), info.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for each, data in {**members, f"{info}/RECORD": record}.items():
            archive.writestr(member(each), data)
    return path


def upstream_wheel(
    folder: Path, files: dict[str, bytes], requirement: str = "torch==2.13.0"
) -> Path:
    """Write what is built here of an upstream checkout, for CPython 3.10 and 3.11."""
    version, pythons = "1.0+upstream.2.5.0", ("cp310", "cp311")
    platform = "manylinux_2_17_x86_64"
    joined = ".".join(pythons)
    return write_stating(
        folder / f"vllm_deepgemm-{version}-{joined}-{joined}-{platform}.whl",
        files,
        stated=f"Name: vllm-deepgemm\nVersion: {version}\nRequires-Python: >=3.10,<3.12\n",
        requirements=(requirement,),
        tags=[f"{python}-{abi}-{platform}" for python in pythons for abi in pythons],
    )


def upstream_files() -> dict[str, bytes]:
    """Return the files of such a wheel, each extension with its marker."""
    return {
        "vllm/__init__.py": b"",
        f"{FOLDER}/__init__.py": b"",
        **{exact_name(minor): bound(TORCH, marker=exact(minor)) for minor in (10, 11)},
    }
