"""The bill of materials in a wheel: which files it has, what is linked into them, what made them.

Everything is read from the files themselves, so that the same wheel always states the same; a
compiler that leaves no name in its output is not listed. Standard library only: setup.py asks.

Source: CycloneDX 1.6, JSON; PEP 770 (the folder `sboms`); PEP 639 (the licence expression).
"""

from __future__ import annotations

import email
import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.wheel.contents import WHOLE, Contents
from tools.wheel.elf import Elf
from tools.wheel.elf_image import ElfError
from tools.wheel.findings import Finding
from tools.wheel.policy import Policy

FOLDER = "sboms"
# What compilers leave in their output: GCC in .comment, ptxas in a note of each cubin.
COMPILERS: Mapping[str, re.Pattern[bytes]] = {
    "gcc": re.compile(rb"GCC: \([^)\0]*\) (\d+\.\d+\.\d+)"),
    "clang": re.compile(rb"clang version (\d+\.\d+\.\d+)"),
    "cuda-compilation-tools": re.compile(rb"Cuda compilation tools, release [\d.]+, V([\d.]+\d)"),
}
# What GCC made and needs neither of these of the machine has both in it (decision 13).
GCC_RUNTIME = {"libstdc++.so.6", "libgcc_s.so.1"}
GCC_RUNTIME_LICENCE = "GPL-3.0-or-later WITH GCC-exception-3.1"

Json = dict[str, Any]


def add_sbom(tree: Path, dist_info: Path, epoch: int) -> Path:
    """Write the bill of an unpacked wheel into its metadata folder; return the file."""
    files = {
        path.relative_to(tree).as_posix(): path.read_bytes()
        for path in sorted(tree.rglob("*"))
        if path.is_file() and dist_info not in path.parents
    }
    metadata = (dist_info / "METADATA").read_bytes()
    target = dist_info / file_name(metadata)
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(bill_of_materials(files, metadata, epoch))
    return target


def file_name(metadata: bytes) -> str:
    """Return where the bill lies in the metadata folder."""
    return f"{FOLDER}/{email.message_from_bytes(metadata)['Name']}.cdx.json"


def bill_of_materials(files: Mapping[str, bytes], metadata: bytes, epoch: int) -> bytes:
    """Return the bill of a wheel: `files` are its members but those of the metadata folder.

    Units: `epoch` is seconds, the time that the bill states.
    """
    subject = _subject(metadata)
    binaries = {name: data for name, data in files.items() if data[:4] == b"\x7fELF"}
    linked = {name: _runtimes(data) for name, data in sorted(binaries.items())}
    runtimes = [_gcc_runtime(version) for version in sorted(set().union(*linked.values()))]
    listed = [_file(name, data) for name, data in sorted(files.items())]
    components = [*listed, *runtimes, *_compilers(binaries)]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": _serial(subject, components),
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
            "lifecycles": [{"phase": "build"}],
            "component": subject,
        },
        "components": components,
        "dependencies": [
            {"ref": subject["bom-ref"], "dependsOn": [each["bom-ref"] for each in listed]},
            *(
                {"ref": f"file:{name}", "dependsOn": [_runtime_ref(each) for each in versions]}
                for name, versions in linked.items()
            ),
        ],
    }
    return (json.dumps(bill, indent=1, sort_keys=True) + "\n").encode()


def check_sbom(contents: Contents, policy: Policy) -> Iterator[Finding]:
    """Yield where a wheel's own bill is missing, or differs from its shared objects."""
    if contents.kind not in WHOLE or contents.dist_info is None or not policy.sbom:
        return
    metadata = contents.metadata("METADATA") or b""
    path = f"{contents.dist_info}/{file_name(metadata)}"
    try:
        stated = dict(_stated(json.loads(contents.files[path])))
    except (KeyError, ValueError, TypeError) as error:
        found = "no such file" if path not in contents.files else repr(error)
        yield Finding(file=path, expected="a CycloneDX bill of materials", found=found)
        return
    for name in contents.shared_objects():
        digest = hashlib.sha256(contents.files[name]).hexdigest()
        if stated.get(name) != digest:
            found = stated.get(name, "nothing")
            yield Finding(file=path, expected=f"{name} with SHA-256 {digest}", found=found)


def _stated(bill: Json) -> Iterator[tuple[str, str]]:
    """Yield each file of a bill with its digest."""
    for component in bill["components"]:
        if component["type"] == "file":
            yield component["name"], component["hashes"][0]["content"]


def _subject(metadata: bytes) -> Json:
    stated = email.message_from_bytes(metadata)
    name, version = stated["Name"], stated["Version"]
    purl = f"pkg:pypi/{name}@{version}"
    licence = stated["License-Expression"]
    return {
        **{"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl},
        **({"licenses": [{"expression": licence}]} if licence else {}),
    }


def _file(name: str, data: bytes) -> Json:
    digest = {"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}
    return {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": [digest]}


def _compilers(binaries: Mapping[str, bytes]) -> Iterator[Json]:
    """Yield what made the binaries and does not come along with them."""
    for name, pattern in COMPILERS.items():
        found = {match for data in binaries.values() for match in pattern.findall(data)}
        for version in sorted(each.decode() for each in found):
            yield {
                **{"type": "application", "bom-ref": f"{name}@{version}", "name": name},
                **{"version": version, "scope": "excluded"},
            }


def _runtimes(data: bytes) -> list[str]:
    """Return the versions of GCC whose runtime is linked into a binary."""
    try:
        needed = Elf.parse(data).needed
    except ElfError:
        return []  # the audit says so
    found = {match.decode() for match in COMPILERS["gcc"].findall(data)}
    return sorted(found) if GCC_RUNTIME.isdisjoint(needed) else []


def _runtime_ref(version: str) -> str:
    return f"gcc-runtime@{version}"


def _gcc_runtime(version: str) -> Json:
    return {
        **{"type": "library", "bom-ref": _runtime_ref(version), "name": "gcc-runtime"},
        **{"version": version, "scope": "required"},
        "description": "libstdc++ and libgcc, statically linked",
        "licenses": [{"expression": GCC_RUNTIME_LICENCE}],
    }


def _serial(subject: Json, components: list[Json]) -> str:
    """Return a number that stays with the contents; a random one would change the wheel's bytes."""
    text = json.dumps([subject, components], sort_keys=True)
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, text)}"
