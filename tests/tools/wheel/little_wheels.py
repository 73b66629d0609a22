"""Real little wheels with real little shared objects, each of a few lines of C."""

from __future__ import annotations

import csv
import io
import shutil
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from tools.wheel.record import digest
from tools.wheel.sbom import bill_of_materials, file_name

ROOT = Path(__file__).resolve().parents[3]
CC = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(CC is None, reason="needs a C compiler (cc or gcc) on PATH")

NAME, VERSION = "vllm_deepgemm", "1.0"
DIST_INFO = f"{NAME}-{VERSION}.dist-info"
FOLDER = "vllm/third_party/deep_gemm"
LIBRARY = f"{FOLDER}/libdeep_gemm.so"
ABI3 = f"{FOLDER}/_C.abi3.so"
ABI3_SOABI = "abi3-0x030A0000"
TAG = "cp310-abi3-manylinux_2_17_x86_64"
REQUIRES_PYTHON = ">=3.10,<3.15"
LIBRARY_SOURCE = "int deep_gemm_configs(void) { return 7; }"

Beside = tuple[tuple[str, bytes], ...]


@cache
def shared_object(source: str, *flags: str, beside: Beside = ()) -> bytes:
    """Return what the machine's compiler makes of `source`; `beside` lies where it looks for -l."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in beside:
            Path(folder, name).write_bytes(data)
        source_file = Path(folder, "source.c")
        source_file.write_text(source)
        for number, text in enumerate(flag for flag in flags if "{" in flag):
            Path(folder, f"map{number}").write_text(text)
        options = [flag for flag in flags if "{" not in flag]
        maps = [f"-Wl,--version-script=map{n}" for n in range(len(flags) - len(options))]
        command = [str(CC), "-shared", "-fPIC", "-O1", "-o", "out.so", "source.c", *maps, "-L."]
        subprocess.run([*command, *options], cwd=folder, check=True)
        return Path(folder, "out.so").read_bytes()


def library(source: str = LIBRARY_SOURCE, *flags: str) -> bytes:
    """Return a libdeep_gemm.so."""
    return shared_object(source, "-Wl,-soname,libdeep_gemm.so", *flags)


def extension(
    soabi: str, *flags: str, body: str = "", rpath: str = "-Wl,-rpath,$ORIGIN", linked: bool = True
) -> bytes:
    """Return a _C that states `soabi` and does with CPython's symbols what `body` says."""
    marker = f'const char deep_gemm_soabi[] = "deep_gemm_soabi={soabi}";' if soabi else ""
    source = f"""
    extern void *PyModule_Create2(void *, int);
    int deep_gemm_configs(void);
    {marker}
    {body}
    void *PyInit__C(void) {{
        return deep_gemm_configs() ? PyModule_Create2(0, 1013) : 0;
    }}
    """
    beside = (("libdeep_gemm.so", library()),)
    link = ("-ldeep_gemm", rpath, "-Wl,--enable-new-dtags") if linked else ()
    return shared_object(source, *(flag for flag in (*link, *flags) if flag), beside=beside)


def needing(soname: str, version: str) -> bytes:
    """Return a shared object that needs one version of one library, whatever this machine has."""
    stub = shared_object(
        "int wanted(void) { return 1; }",
        "-nostdlib",
        f"-Wl,-soname,{soname}",
        f"{version} {{ global: wanted; }};",
    )
    source = "int wanted(void); int use(void) { return wanted(); }"
    return shared_object(source, "-nostdlib", "-l:stub.so", beside=(("stub.so", stub),))


def exact(minor: int) -> str:
    """Return the SOABI of CPython 3.`minor`."""
    return f"cpython-3{minor}-x86_64-linux-gnu"


def exact_name(minor: int) -> str:
    """Return the path of the exact extension of CPython 3.`minor`."""
    return f"{FOLDER}/_C.{exact(minor)}.so"


def good_files() -> dict[str, bytes]:
    """Return the files of a wheel that keeps every promise."""
    return {
        "vllm/__init__.py": b"",
        "vllm/third_party/__init__.py": b"",
        f"{FOLDER}/__init__.py": b"",
        LIBRARY: library(),
        ABI3: extension(ABI3_SOABI),
        **{exact_name(minor): extension(exact(minor)) for minor in (10, 11, 12, 13)},
    }


def built_files() -> dict[str, bytes]:
    """Return the package of this checkout with its real binaries, or skip where none are built."""
    folder = ROOT / FOLDER
    if not list(folder.glob("_C.*.so")):
        pytest.skip("needs the built binaries beside their Python files; nox -s build_deepgemm")
    files = (path for path in sorted(folder.rglob("*")) if path.suffix != ".pyc")
    package = {
        path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files if path.is_file()
    }
    return {"vllm/__init__.py": b"", "vllm/third_party/__init__.py": b"", **package}


def metadata_files(
    tag: str = TAG, requires_python: str = REQUIRES_PYTHON, name: str = "vllm-deepgemm"
) -> dict[str, bytes]:
    """Return METADATA and WHEEL."""
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {VERSION}\n"
    metadata += f"Requires-Python: {requires_python}\n"
    metadata += "License-Expression: Apache-2.0\nLicense-File: LICENSE\n"
    wheel = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n"
    return {
        f"{DIST_INFO}/METADATA": metadata.encode(),
        f"{DIST_INFO}/WHEEL": wheel.encode(),
        f"{DIST_INFO}/licenses/LICENSE": b"of the test",
    }


def bill_file(members: Mapping[str, bytes], described: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the bill of materials that our builder would write; none where METADATA names none."""
    metadata = described.get(f"{DIST_INFO}/METADATA", b"")
    if b"Name:" not in metadata or b"Version:" not in metadata:
        return {}
    name = f"{DIST_INFO}/{file_name(metadata)}"
    return {name: described.get(name) or bill_of_materials(members, metadata, 0)}


def record_of(files: Mapping[str, bytes]) -> bytes:
    """Return the RECORD of `files`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((name, digest(data), len(data)) for name, data in files.items())
    writer.writerow((f"{DIST_INFO}/RECORD", "", ""))
    return text.getvalue().encode()


def member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    """Return a member's head."""
    info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def write_wheel(
    folder: Path,
    files: Mapping[str, bytes] | None = None,
    *,
    metadata: Mapping[str, bytes] | None = None,
    record: bytes | None = None,
    extra: Sequence[tuple[zipfile.ZipInfo, bytes]] = (),
    tag: str = TAG,
    billed: bool = True,
) -> Path:
    """Write a wheel of `files`; `extra` members follow as they are, listed in RECORD."""
    members = dict(good_files() if files is None else files)
    described = metadata_files(tag) if metadata is None else dict(metadata)
    extras = {info.filename: data for info, data in extra}
    # A RECORD that is given lists what its test knows of.
    bill = bill_file(members | extras, described) if billed and record is None else {}
    members |= described | bill
    listed = members | {info.filename: data for info, data in extra}
    wheel = folder / f"{NAME}-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(member(name), data)
        for info, data in extra:
            archive.writestr(info, data)
        archive.writestr(
            member(f"{DIST_INFO}/RECORD"), record_of(listed) if record is None else record
        )
    return wheel
