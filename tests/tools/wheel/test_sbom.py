"""The bill of materials: valid, true, the same for the same files, and held by the audit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.tools.wheel.little_wheels import (
    DIST_INFO,
    LIBRARY,
    LIBRARY_SOURCE,
    good_files,
    library,
    metadata_files,
    needs_compiler,
    write_wheel,
)
from tools.wheel.audit import audit_wheel
from tools.wheel.policy import OURS
from tools.wheel.sbom import COMPILERS, add_sbom, bill_of_materials

BILL = f"{DIST_INFO}/sboms/vllm-deepgemm.cdx.json"
METADATA = b"Name: vllm-deepgemm\nVersion: 1.0\nLicense-Expression: Apache-2.0\n"
MADE_BY = (
    b"\x7fELF\0GCC: (Debian 12.2.0-14) 12.2.0\0Cuda compilation tools, release 13.0, V13.0.88\0"
)
FILES = {"vllm/a.py": b"a", "vllm/lib.so": MADE_BY}
EPOCH = 1_700_000_000


def bill(files: dict[str, bytes] | None = None) -> dict[str, Any]:
    """The bill of some files, as data."""
    data: dict[str, Any] = json.loads(bill_of_materials(files or FILES, METADATA, EPOCH))
    return data


def test_a_bill_is_valid_cyclonedx() -> None:
    """Held against the schema of the version that it states."""
    text = bill_of_materials(FILES, METADATA, EPOCH).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = text.replace('"type": "file"', '"type": "sheet"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_a_bill_lists_files_what_is_linked_and_what_compiled() -> None:
    """Versions are those that the binaries state; a compiler comes not along."""
    components = {each["name"]: each for each in bill()["components"]}
    digest = {"alg": "SHA-256", "content": hashlib.sha256(MADE_BY).hexdigest()}
    assert components["vllm/lib.so"]["hashes"] == [digest]
    found = {
        name: (each["version"], each["scope"])
        for name, each in components.items()
        if "/" not in name
    }
    assert found == {
        "gcc": ("12.2.0", "excluded"),
        "cuda-compilation-tools": ("13.0.88", "excluded"),
    }
    assert bill()["metadata"]["component"]["licenses"] == [{"expression": "Apache-2.0"}]


@needs_compiler
def test_a_runtime_is_listed_where_it_is_linked_statically() -> None:
    """A binary that needs the machine's libgcc has none in it."""
    static = library()
    dynamic = library(LIBRARY_SOURCE, "-Wl,--no-as-needed", "-lgcc_s")
    made_by = COMPILERS["gcc"].search(static)
    if made_by is None:
        pytest.skip("needs GCC; the compiler here is another one")
    version = made_by[1].decode()
    stated = bill({"vllm/a.so": static, "vllm/b.so": dynamic})
    linked = {each["ref"]: each["dependsOn"] for each in stated["dependencies"]}
    assert linked["file:vllm/a.so"] == [f"gcc-runtime@{version}"]
    assert linked["file:vllm/b.so"] == []
    (runtime,) = [each for each in stated["components"] if each["name"] == "gcc-runtime"]
    assert (runtime["version"], runtime["scope"]) == (version, "required")
    assert runtime["licenses"] == [{"expression": "GPL-3.0-or-later WITH GCC-exception-3.1"}]
    alone = bill({"vllm/b.so": dynamic})
    assert not [each for each in alone["components"] if each["name"] == "gcc-runtime"]


def test_the_same_files_have_the_same_bill_and_others_another_number() -> None:
    """A serial number of chance would make each build another wheel."""
    assert bill() == bill(dict(reversed(FILES.items())))
    assert bill()["serialNumber"] != bill(FILES | {"vllm/a.py": b"b"})["serialNumber"]
    assert bill()["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"


def test_the_bill_of_a_tree_leaves_the_metadata_out(tmp_path: Path) -> None:
    """RECORD is not there yet, and the bill cannot list itself."""
    info = tmp_path / DIST_INFO
    info.mkdir()
    (info / "METADATA").write_bytes(METADATA)
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "a.py").write_bytes(b"a")
    file = add_sbom(tmp_path, info, EPOCH)
    assert file == tmp_path / BILL
    names = [each["name"] for each in json.loads(file.read_text())["components"]]
    assert names == ["vllm/a.py"]


@needs_compiler
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "expected a CycloneDX bill of materials, found JSONDecodeError"),
        (b"[]", "expected a CycloneDX bill of materials, found TypeError"),
        (bill_of_materials({LIBRARY: b"other"}, METADATA, 0), f"expected {LIBRARY} with SHA-256"),
    ],
)
def test_a_bill_that_is_not_that_of_the_wheel_is_a_fault(
    tmp_path: Path, text: bytes, words: str
) -> None:
    """It has to name each shared object with its digest."""
    wheel = write_wheel(tmp_path, metadata=metadata_files() | {BILL: text})
    findings = [str(finding) for finding in audit_wheel(wheel).findings]
    assert findings
    assert any(finding.startswith(f"{BILL}: {words}") for finding in findings), findings


@needs_compiler
def test_a_wheel_of_ours_without_a_bill_has_a_fault(tmp_path: Path) -> None:
    """Another builder's wheel need not have one."""
    wheel = write_wheel(tmp_path, good_files(), billed=False)
    findings = [str(finding) for finding in audit_wheel(wheel).findings]
    assert findings == [f"{BILL}: expected a CycloneDX bill of materials, found no such file"]
    assert OURS.sbom
