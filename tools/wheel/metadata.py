"""METADATA and WHEEL against the file name and against what the policy promises.

Source: PyPA "Binary distribution format", "Core metadata", "Platform compatibility tags"; PEP 639.
"""

from __future__ import annotations

import email
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, parse_tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from tools.wheel.contents import WHOLE, Contents
from tools.wheel.findings import Finding
from tools.wheel.platform_tag import tag_level
from tools.wheel.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What METADATA and WHEEL state; empty where they don't."""

    name: str = ""
    version: str = ""
    requires_python: str = ""
    tags: frozenset[Tag] = field(default_factory=frozenset)
    requirements: tuple[str, ...] = ()

    @property
    def torch(self) -> str | None:
        """The one version of torch that is required, None where it is left open."""
        for text in self.requirements:
            with suppress(InvalidRequirement):
                requirement = Requirement(text)
                pins = [each.version for each in requirement.specifier if each.operator == "=="]
                exact = [version for version in pins if not version.endswith(".*")]
                if canonicalize_name(requirement.name) == "torch" and exact:
                    return exact[0]
        return None


def read_metadata(contents: Contents) -> Metadata:
    """Return what the metadata states, judging nothing."""
    metadata = _headers(contents, "METADATA")
    tags: set[Tag] = set()
    for text in _headers(contents, "WHEEL").get_all("Tag", []):
        if text.count("-") == 2:
            tags |= parse_tag(text)
    return Metadata(
        name=metadata.get("Name", ""),
        version=metadata.get("Version", ""),
        requires_python=metadata.get("Requires-Python", ""),
        tags=frozenset(tags),
        requirements=tuple(metadata.get_all("Requires-Dist", [])),
    )


def check_metadata(contents: Contents, policy: Policy) -> Iterator[Finding]:
    """Yield where METADATA, WHEEL, folder and file name disagree; a checkout promises nothing."""
    if contents.kind == "checkout":
        return
    if contents.dist_info is None:
        expected = "exactly one .dist-info folder"
        yield Finding(file=contents.subject, expected=expected, found="none or several")
        return
    yield from _check_headers(contents)
    stated = read_metadata(contents)
    yield from _check_identity(contents, policy, stated)
    if contents.kind in {"wheel", "excerpt"}:
        yield from _check_file_name(contents, policy, stated)
    yield from _check_abi(contents, policy, stated)
    if policy.torch and not stated.torch:
        expected = "Requires-Dist: torch==VERSION, the torch that its extensions are bound to"
        found = ", ".join(stated.requirements) or "no requirement"
        yield Finding(file=f"{contents.dist_info}/METADATA", expected=expected, found=found)
    yield from _check_licences(contents, policy)


def check_platform(
    contents: Contents, policy: Policy, levels: Mapping[str, int]
) -> Iterator[Finding]:
    """Yield every platform that the tags claim and that a binary's glibc floor denies."""
    tags = _file_tags(contents) if policy.retagged else read_metadata(contents).tags
    for platform in sorted({tag.platform for tag in tags}):
        claimed = tag_level(platform)
        if claimed is None:
            expected = "a platform of the form manylinux_2_X_x86_64"
            yield Finding(file=contents.subject, expected=expected, found=platform)
            continue
        for file, level in levels.items():
            if level > claimed:
                expected = f"a glibc floor of 2.{claimed}, from the tag {platform}"
                yield Finding(file=file, expected=expected, found=f"2.{level}")


def _headers(contents: Contents, name: str) -> Message:
    return email.message_from_bytes(contents.metadata(name) or b"")


def _check_headers(contents: Contents) -> Iterator[Finding]:
    required = {
        "METADATA": ("Metadata-Version", "Name", "Version", "Requires-Python"),
        "WHEEL": ("Wheel-Version", "Root-Is-Purelib"),
    }
    for name, keys in required.items():
        headers = _headers(contents, name)
        for key in keys:
            found = len(headers.get_all(key, []))
            if found != 1:
                file = f"{contents.dist_info}/{name}"
                yield Finding(file=file, expected=f"one {key}", found=str(found))
    wheel = _headers(contents, "WHEEL")
    for key, value in (("Wheel-Version", "1.0"), ("Root-Is-Purelib", "false")):
        found_value = wheel.get(key, value)
        if found_value.lower() != value:
            file = f"{contents.dist_info}/WHEEL"
            yield Finding(file=file, expected=f"{key}: {value}", found=found_value)


def _check_identity(contents: Contents, policy: Policy, stated: Metadata) -> Iterator[Finding]:
    file = f"{contents.dist_info}/METADATA"
    if canonicalize_name(stated.name) != policy.distribution:
        expected = f"Name: {policy.distribution}"
        yield Finding(file=file, expected=expected, found=stated.name or "none")
    folder, _, version = (contents.dist_info or "").removesuffix(".dist-info").partition("-")
    if (canonicalize_name(folder), _version(version)) != _identity(stated):
        expected = f"the folder of {stated.name} {stated.version}"
        yield Finding(file=file, expected=expected, found=f"{contents.dist_info}")


def _check_file_name(contents: Contents, policy: Policy, stated: Metadata) -> Iterator[Finding]:
    try:
        name, version, build, tags = parse_wheel_filename(contents.subject)
    except InvalidWheelFilename as error:
        expected = "name-version[-build]-python-abi-platform.whl"
        yield Finding(file=contents.subject, expected=expected, found=str(error))
        return
    if (name, version) != _identity(stated):
        expected = f"name and version of METADATA, {stated.name} {stated.version}"
        yield Finding(file=contents.subject, expected=expected, found=f"{name} {version}")
    if policy.retagged:
        return
    wheel = f"{contents.dist_info}/WHEEL"
    if tags != stated.tags:
        expected = f"the tags of the file name, {_text(tags)}"
        yield Finding(file=wheel, expected=expected, found=_text(stated.tags))
    stated_build = _headers(contents, "WHEEL").get("Build", "")
    if stated_build != "".join(str(part) for part in build):
        expected = "the build number of the file name"
        yield Finding(file=wheel, expected=expected, found=stated_build or "none")


def _file_tags(contents: Contents) -> frozenset[Tag]:
    try:
        return parse_wheel_filename(contents.subject)[3]
    except InvalidWheelFilename:
        return frozenset()  # a finding of its own


def _check_abi(contents: Contents, policy: Policy, stated: Metadata) -> Iterator[Finding]:
    if policy.abi3_tag is None:
        return
    for found in sorted({f"{tag.interpreter}-{tag.abi}" for tag in stated.tags}):
        if found != f"{policy.abi3_tag}-abi3":
            expected = f"the tag {policy.abi3_tag}-abi3, which the abi3 extension makes true"
            yield Finding(file=f"{contents.dist_info}/WHEEL", expected=expected, found=found)
    if not stated.tags:
        expected = f"a Tag: {policy.abi3_tag}-abi3-PLATFORM"
        yield Finding(file=f"{contents.dist_info}/WHEEL", expected=expected, found="none")


def _check_licences(contents: Contents, policy: Policy) -> Iterator[Finding]:
    """Source: PEP 639: listed files lie in `licenses`; what we build states its licence."""
    if contents.kind not in WHOLE:
        return
    headers = _headers(contents, "METADATA")
    for name in headers.get_all("License-File", []):
        file = f"{contents.dist_info}/licenses/{name}"
        if file not in contents.files:
            yield Finding(file=file, expected="the file of License-File", found="no such file")
    for key in ("License-Expression", "License-File"):
        if policy.sbom and key not in headers:
            file = f"{contents.dist_info}/METADATA"
            yield Finding(file=file, expected=f"a {key}", found="none")


def _identity(stated: Metadata) -> tuple[str, Version | None]:
    return canonicalize_name(stated.name), _version(stated.version)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _text(tags: frozenset[Tag]) -> str:
    return ", ".join(sorted(str(tag) for tag in tags)) or "none"
