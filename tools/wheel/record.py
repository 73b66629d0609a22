"""RECORD against the files: each listed once with its digest and size, and nothing else listed.

Source: PyPA "Recording installed projects" and "Binary distribution format".
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterator, Mapping

from tools.wheel.archive import unsafe_reason
from tools.wheel.contents import Contents
from tools.wheel.findings import Finding

DIGESTS = ("sha256", "sha384", "sha512")
# RECORD can't hold its own digest; the signatures are made of RECORD.
UNLISTED = ("RECORD.jws", "RECORD.p7s")

Rows = Mapping[str, tuple[str, str]]


def check_record(contents: Contents) -> Iterator[Finding]:
    """Yield what RECORD and the files don't agree on; a checkout has no RECORD."""
    if contents.kind == "checkout" or contents.dist_info is None:
        return
    path = f"{contents.dist_info}/RECORD"
    data = contents.files.get(path)
    if data is None:
        yield Finding(file=path, expected="a list of all files", found="no such file")
        return
    try:
        rows, findings = _parse(path, data.decode("utf-8"))
    except (UnicodeDecodeError, csv.Error) as error:
        yield Finding(file=path, expected="CSV in UTF-8", found=str(error))
        return
    yield from findings
    yield from _check_listed(contents, path, rows)
    yield from _check_unlisted(contents, path, rows)


def digest(data: bytes, algorithm: str = "sha256") -> str:
    """Return a digest as RECORD spells it: urlsafe base64 without padding."""
    raw = hashlib.new(algorithm, data).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def _parse(path: str, text: str) -> tuple[dict[str, tuple[str, str]], list[Finding]]:
    rows: dict[str, tuple[str, str]] = {}
    findings: list[Finding] = []
    for line, row in enumerate(csv.reader(text.splitlines(), strict=True), start=1):
        if len(row) != 3:
            found = f"{len(row)} fields in line {line}"
            findings.append(Finding(file=path, expected="path, digest and size", found=found))
        elif row[0] in rows:
            findings.append(Finding(file=path, expected=f"{row[0]} once", found="it twice"))
        else:
            rows[row[0]] = (row[1], row[2])
    return rows, findings


def _check_listed(contents: Contents, path: str, rows: Rows) -> Iterator[Finding]:
    for name, (expected, size) in rows.items():
        reason = unsafe_reason(name)
        if reason:
            yield Finding(file=path, expected="paths inside the package", found=f"{name}: {reason}")
        elif name not in contents.files:
            if contents.kind != "excerpt" and not _compiled(contents, name):
                yield Finding(
                    file=name, expected="the file that RECORD lists", found="no such file"
                )
        elif name == path:
            if expected or size:
                found = f"{expected},{size}"
                yield Finding(file=path, expected="no digest of itself", found=found)
        elif not _compiled(contents, name):
            yield from _check_file(name, contents.files[name], expected, size)


def _check_file(name: str, data: bytes, expected: str, size: str) -> Iterator[Finding]:
    algorithm = expected.partition("=")[0]
    if algorithm not in DIGESTS:
        strong = "a digest by " + ", ".join(DIGESTS)
        yield Finding(file=name, expected=strong, found=expected or "none in RECORD")
        return
    found = digest(data, algorithm)
    if expected != found:
        yield Finding(file=name, expected=f"{expected} as in RECORD", found=found)
    if size != str(len(data)):
        yield Finding(file=name, expected=f"{size or 'a size'} as in RECORD", found=str(len(data)))


def _check_unlisted(contents: Contents, path: str, rows: Rows) -> Iterator[Finding]:
    exempt = {path, *(f"{contents.dist_info}/{name}" for name in UNLISTED)}
    for name in contents.files:
        if name not in rows and (name not in exempt or name == path):
            yield Finding(file=name, expected="a line of RECORD", found="none")


def _compiled(contents: Contents, name: str) -> bool:
    # An installer may list what it compiled, without digests; anybody may delete that again.
    return contents.kind == "installed" and name.endswith(".pyc")
