"""The audit as a whole: a good wheel is clean, and every single fault is found and named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import (
    ABI3,
    LIBRARY,
    REQUIRES_PYTHON,
    exact_name,
    extension,
    good_files,
    metadata_files,
    needs_compiler,
    write_wheel,
)
from tools.wheel.audit import audit_wheel
from tools.wheel.extensions import RequiresPythonError
from tools.wheel.findings import WheelAuditError
from tools.wheel.policy import OURS

pytestmark = needs_compiler


def test_a_good_wheel_is_clean(tmp_path: Path) -> None:
    """Each CPython of requires-python is served: 3.10 to 3.13 exactly, 3.14 by abi3."""
    report = audit_wheel(write_wheel(tmp_path))
    assert report.findings == ()
    assert {service.python: service.file for service in report.services} == {
        **{f"3.{minor}": exact_name(minor) for minor in (10, 11, 12, 13)},
        "3.14": ABI3,
    }
    assert report.to_json()["clean"] is True
    report.raise_for_findings()


def test_a_wheel_without_an_exact_extension_is_served_by_abi3(tmp_path: Path) -> None:
    """Leaving out 3.12's extension is no fault: the abi3 one serves it."""
    files = good_files()
    del files[exact_name(12)]
    report = audit_wheel(write_wheel(tmp_path, files))
    assert report.findings == ()
    assert [s.file for s in report.services if s.python == "3.12"] == [ABI3]


def test_a_policy_without_abi3_wants_each_exact_extension(tmp_path: Path) -> None:
    """Where nothing is abi3, the missing 3.14 is a fault and the abi3 file is foreign."""
    report = audit_wheel(write_wheel(tmp_path), policy=replace(OURS, abi3_floor=None))
    text = "\n".join(str(finding) for finding in report.findings)
    assert "expected an extension for CPython 3.14" in text
    assert f"{ABI3}: expected no shared object but" in text


def test_abi3_serves_nothing_below_its_floor(tmp_path: Path) -> None:
    """CPython 3.9 can't import an extension for the limited API of 3.10."""
    report = audit_wheel(write_wheel(tmp_path), requires_python=">=3.9,<3.14")
    assert (report.services[0].python, report.services[0].file) == ("3.9", None)
    assert ["CPython 3.9" in finding.expected for finding in report.findings] == [True]


def test_another_requires_python_may_be_asked_for(tmp_path: Path) -> None:
    """A narrower one makes other extensions foreign; a senseless one is the user's error."""
    wheel = write_wheel(tmp_path)
    report = audit_wheel(wheel, requires_python=">=3.12,<3.14")
    assert [service.python for service in report.services] == ["3.12", "3.13"]
    assert {finding.file for finding in report.findings} == {exact_name(10), exact_name(11)}
    with pytest.raises(RequiresPythonError, match="newest"):
        audit_wheel(wheel, requires_python="newest")


@pytest.mark.parametrize("requires_python", ["", "soon", "<3"])
def test_a_wheel_without_a_usable_requires_python_fails(
    tmp_path: Path, requires_python: str
) -> None:
    """What can't be read can't be served: a finding, beside all the others."""
    wheel = write_wheel(tmp_path, metadata=metadata_files(requires_python=requires_python))
    text = "\n".join(str(finding) for finding in audit_wheel(wheel).findings)
    assert "expected a Requires-Python to judge the extensions by" in text


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    """The error counts and lists the faults of several files."""
    files = good_files() | {"x.so": b"", ABI3: extension("")}
    with pytest.raises(
        WheelAuditError, match=r"(?s)found \d+ faults:.*x\.so.*_C\.abi3\.so"
    ) as error:
        audit_wheel(write_wheel(tmp_path, files)).raise_for_findings()
    assert len(error.value.findings) > 2


def test_the_wheel_states_what_it_is_judged_by(tmp_path: Path) -> None:
    """The JSON report holds requires-python, digests and glibc floors."""
    report = audit_wheel(write_wheel(tmp_path)).to_json()
    assert report["requires_python"] == REQUIRES_PYTHON
    assert {binary["file"] for binary in report["binaries"]} >= {LIBRARY, ABI3}
    assert all(len(b["sha256"]) == 64 and b["glibc"].startswith("2.") for b in report["binaries"])
