"""The installed package: found by its metadata, in the checkout, or not at all."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import (
    ABI3,
    DIST_INFO,
    FOLDER,
    LIBRARY,
    REQUIRES_PYTHON,
    exact_name,
    good_files,
    metadata_files,
    needs_compiler,
    record_of,
    write_wheel,
)
from tests.tools.wheel.published import upstream_files, upstream_wheel
from tools.wheel.audit import Report, audit_installed
from tools.wheel.extensions import RequiresPythonError
from tools.wheel.installed import NothingInstalledError

pytestmark = needs_compiler


def unpacked(folder: Path) -> Path:
    """Return a site-packages folder with the good wheel in it."""
    site = folder / "site-packages"
    with zipfile.ZipFile(write_wheel(folder)) as archive:
        archive.extractall(site)
    return site


def built(folder: Path) -> Path:
    """Return a checkout with its binaries built beside the sources."""
    checkout = folder / "checkout"
    (checkout / FOLDER).mkdir(parents=True)
    for name, data in good_files().items():
        (checkout / name).write_bytes(data)
    return checkout


def judged(site: Path, checkout: Path) -> Report:
    """Judge what lies in `site` or in `checkout`."""
    return audit_installed(checkout=checkout, search_path=[str(site)])


def test_an_installed_package_is_judged_by_its_record(tmp_path: Path) -> None:
    """The wheel, unpacked, is clean, and 3.14 is served by abi3."""
    report = judged(unpacked(tmp_path), tmp_path)
    assert (report.kind, report.findings) == ("installed", ())
    assert report.requires_python == REQUIRES_PYTHON
    assert report.services[-1].file == ABI3


def test_an_installed_upstream_package_keeps_upstreams_promises(tmp_path: Path) -> None:
    """Its metadata says which kind it is: nothing there is served by abi3."""
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(upstream_wheel(tmp_path, upstream_files())) as archive:
        archive.extractall(site)
    report = judged(site, tmp_path)
    assert (report.kind, report.findings, report.torch) == ("installed", (), "2.13.0")
    (site / exact_name(11)).unlink()
    assert "CPython 3.11" in "\n".join(str(finding) for finding in judged(site, tmp_path).findings)


def test_a_file_changed_after_installation_is_found(tmp_path: Path) -> None:
    """The digest in RECORD no longer holds."""
    site = unpacked(tmp_path)
    (site / FOLDER / "__init__.py").write_text("changed = True\n")
    (site / LIBRARY).unlink()
    files = {finding.file for finding in judged(site, tmp_path).findings}
    assert {f"{FOLDER}/__init__.py", LIBRARY} <= files


def test_a_stale_extension_beside_the_installed_ones_is_found(tmp_path: Path) -> None:
    """A shared object that RECORD doesn't list stays importable, and is a fault."""
    site = unpacked(tmp_path)
    stale = f"{FOLDER}/_C.cpython-39-x86_64-linux-gnu.so"
    (site / stale).write_bytes(good_files()[exact_name(10)])
    text = "\n".join(str(finding) for finding in judged(site, tmp_path).findings)
    assert f"{stale}: expected a line of RECORD" in text
    assert f"{stale}: expected no shared object but" in text


def test_an_editable_install_is_judged_in_the_checkout(tmp_path: Path) -> None:
    """The metadata come from site-packages, the binaries from the checkout, RECORD from nowhere."""
    site, checkout = tmp_path / "site", built(tmp_path)
    metadata = metadata_files(tag="py3-none-any", requires_python=">=3.10,<3.14")
    files = metadata | {"__editable__.vllm_deepgemm.pth": str(checkout).encode()}
    for name, data in (files | {f"{DIST_INFO}/RECORD": record_of(files)}).items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(data)
    report = judged(site, checkout)
    assert (report.kind, report.findings) == ("checkout", ())
    assert report.requires_python == ">=3.10,<3.14"


def test_a_checkout_that_is_not_installed_may_be_told_its_pythons(tmp_path: Path) -> None:
    """Without metadata, pyproject.toml or the option says what has to be served."""
    checkout = built(tmp_path)
    (checkout / ABI3).unlink()
    report = audit_installed(checkout=checkout, search_path=[], requires_python=">=3.10,<3.15")
    assert any("CPython 3.14" in finding.expected for finding in report.findings)
    with pytest.raises(RequiresPythonError, match="--requires-python"):
        audit_installed(checkout=checkout, search_path=[])
    pytest.importorskip("tomllib", reason="needs CPython 3.11 to read pyproject.toml")
    (checkout / "pyproject.toml").write_text("[project]\nrequires-python='>=3.12'\n")
    assert audit_installed(checkout=checkout, search_path=[]).requires_python == ">=3.12"


def test_the_trace_of_a_build_is_no_installation(tmp_path: Path) -> None:
    """An egg-info folder has no RECORD; with nothing else, nothing is installed."""
    egg = tmp_path / "vllm_deepgemm.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_bytes(metadata_files()[f"{DIST_INFO}/METADATA"])
    with pytest.raises(NothingInstalledError, match=r"vllm-deepgemm.*found neither.*nox"):
        judged(tmp_path, tmp_path)
    path = [str(tmp_path), str(unpacked(tmp_path))]
    assert audit_installed(checkout=tmp_path, search_path=path).kind == "installed"
