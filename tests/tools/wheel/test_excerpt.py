"""The DeepGEMM part of wheels that vLLM publishes, and wheels of an upstream checkout."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import (
    FOLDER,
    LIBRARY,
    exact,
    exact_name,
    extension,
    good_files,
    library,
    needing,
    needs_compiler,
)
from tests.tools.wheel.published import (
    MINORS,
    TORCH,
    bound,
    published_files,
    upstream_files,
    upstream_wheel,
    write_published,
)
from tools.wheel.archive import WheelUnreadableError
from tools.wheel.audit import Report, audit_excerpt, audit_wheel
from tools.wheel.policy import OURS, PUBLISHED, UPSTREAM, Policy, policy_of

pytestmark = needs_compiler


def text(report: Report) -> str:
    return "\n".join(str(finding) for finding in report.findings)


@pytest.mark.parametrize(
    ("name", "version", "policy"),
    [
        ("vllm-deepgemm", "0.1.0", OURS),
        ("vllm_deepgemm", "0.1.0+upstream.2.5.0.g891d57b4d", UPSTREAM),
        ("vllm-deepgemm", "0.1.0+precompiled", OURS),
        ("vLLM", "0.21.0", PUBLISHED),
        ("", "", OURS),
    ],
)
def test_name_and_version_say_which_kind_a_wheel_is(
    name: str, version: str, policy: Policy
) -> None:
    """Nobody has to tell the audit."""
    assert policy_of(name, version) is policy


def test_a_published_wheel_with_each_extension_is_clean(tmp_path: Path) -> None:
    """On disk it is judged by the same part; the torch that it is bound to is reported."""
    report = audit_wheel(write_published(tmp_path))
    assert report.findings == ()
    assert (report.kind, report.torch) == ("excerpt", "2.11.0")
    assert [s.python for s in report.services if s.file] == [f"3.{minor}" for minor in MINORS]
    assert "torch 2.11.0" in report.lines()


def test_a_published_wheel_for_one_cpython_fails(tmp_path: Path) -> None:
    """An abi3 extension would be no excuse: pybind11's cannot be one."""
    files = published_files((12,)) | {f"{FOLDER}/_C.abi3.so": bound(TORCH)}
    said = text(audit_wheel(write_published(tmp_path, files)))
    for minor in (10, 11, 13, 14):
        assert f"expected an extension for CPython 3.{minor}" in said
    assert "CPython 3.12" not in said
    assert "_C.abi3.so: expected no shared object but" in said


def test_an_extension_that_record_does_not_vouch_for_is_a_fault(tmp_path: Path) -> None:
    """It was exchanged after the wheel was made; of members that are not read nothing is said."""
    recorded = {exact_name(11): b"another", "vllm/_C.abi3.so": b"another"}
    said = text(audit_wheel(write_published(tmp_path, recorded=recorded)))
    assert f"{exact_name(11)}: expected sha256=" in said
    assert "vllm/_C.abi3.so" not in said


@pytest.mark.parametrize("requirements", [(), ("torch",), ("torch>=2.11",), ("torch==2.11.*",)])
def test_a_torch_that_the_metadata_leaves_open_is_a_fault(
    tmp_path: Path, requirements: tuple[str, ...]
) -> None:
    """Another release has other C++ symbols."""
    wheel = write_published(tmp_path, requirements=requirements)
    found = ", ".join(requirements) or "no requirement"
    assert f"the torch that its extensions are bound to, found {found}" in text(audit_wheel(wheel))


def test_an_extension_without_torch_is_none_of_upstreams(tmp_path: Path) -> None:
    """It was linked to nothing: every call would fail at import."""
    files = published_files() | {exact_name(13): bound()}
    assert f"{exact_name(13)}: expected to need a library of torch" in text(
        audit_wheel(write_published(tmp_path, files))
    )


def test_a_library_that_nobody_brings_is_a_fault(tmp_path: Path) -> None:
    """torch's and CUDA's runtime are expected, all else is not."""
    files = published_files() | {exact_name(13): bound(TORCH, "libfoo.so.1")}
    said = text(audit_wheel(write_published(tmp_path, files)))
    assert "torch, CUDA's runtime and the C and C++ runtime, found libfoo.so.1" in said


def test_a_function_of_cuda_that_no_library_brings_is_a_fault(tmp_path: Path) -> None:
    """A toolkit without NVRTC links all the same; the import would fail."""
    body = "int nvrtcVersion(void); int use(void) { return nvrtcVersion(); }"
    files = published_files() | {exact_name(13): bound(TORCH, body=body)}
    said = text(audit_wheel(write_published(tmp_path, files)))
    assert "CUDA's functions from a library that it needs, found nvrtcVersion" in said


def test_the_file_name_has_to_keep_its_platform(tmp_path: Path) -> None:
    """vLLM renames its wheels; a floor above the name's is a fault all the same."""
    files = published_files() | {exact_name(13): needing("libc.so.6", "GLIBC_2.38")}
    said = text(audit_wheel(write_published(tmp_path, files)))
    assert "expected a glibc floor of 2.24" in said


def test_a_wheel_without_metadata_cannot_be_judged() -> None:
    """Nothing says what it is."""
    with pytest.raises(WheelUnreadableError, match="expected a wheel archive"):
        audit_excerpt(io.BytesIO(b"PK"), "x.whl")


def test_an_upstream_wheel_states_its_torch_and_serves_what_it_admits(tmp_path: Path) -> None:
    """Each CPython of its own requires-python has its exact extension."""
    wheel = upstream_wheel(tmp_path, upstream_files())
    report = audit_wheel(wheel)
    assert report.findings == ()
    assert (report.kind, report.torch) == ("wheel", "2.13.0")


def test_an_upstream_wheel_is_judged_whole(tmp_path: Path) -> None:
    """A renamed extension, a missing one, our library, a torch left open: all are faults."""
    files = upstream_files() | {
        exact_name(11): bound(TORCH, marker=exact(10)),
        LIBRARY: library(),
    }
    del files[exact_name(10)]
    said = text(audit_wheel(upstream_wheel(tmp_path, files, "torch>=2")))
    assert "expected an extension for CPython 3.10" in said
    assert f"deep_gemm_soabi={exact(11)}, for which its name claims" in said
    assert f"{LIBRARY}: expected no shared object but" in said
    assert "the torch that its extensions are bound to, found torch>=2" in said


def test_our_own_extension_is_no_upstream_one(tmp_path: Path) -> None:
    """A wheel that calls itself upstream's keeps upstream's promises or fails."""
    files = good_files() | upstream_files() | {exact_name(10): extension(exact(10))}
    said = text(audit_wheel(upstream_wheel(tmp_path, files)))
    assert f"{exact_name(10)}: expected to need a library of torch" in said
