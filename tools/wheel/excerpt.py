"""The DeepGEMM part of a wheel: its metadata and its shared objects, read member by member.

Works on any file that can seek, so that a wheel of half a gigabyte on a server costs a few reads.
Refuses to know where the file lies.
"""

from __future__ import annotations

import email
import zipfile
from typing import IO

from tools.wheel.archive import DAMAGE, METHODS, WheelUnreadableError, unsafe_reason
from tools.wheel.contents import Contents
from tools.wheel.policy import Policy, policy_of

METADATA = ("METADATA", "WHEEL", "RECORD")
# Limit: what one member may unpack to; upstream's largest extension has 12 MB.
MEMBER_LIMIT = 1 << 28


def read_excerpt(file: IO[bytes], name: str) -> tuple[Contents, Policy]:
    """Return the part of a wheel that an audit of DeepGEMM needs, and the policy of its kind.

    Raises: WheelUnreadableError.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            dist_info = _dist_info(archive, name)
            stated = email.message_from_bytes(_read(archive, f"{dist_info}/METADATA"))
            policy = policy_of(stated.get("Name", ""), stated.get("Version", ""))
            wanted = [f"{dist_info}/{part}" for part in METADATA]
            wanted += [each for each in archive.namelist() if _is_binary(each, policy)]
            files = {each: _read(archive, each) for each in wanted}
    except (*DAMAGE, ValueError, KeyError) as error:
        raise WheelUnreadableError(
            f"{name}: expected a wheel archive, found {error}; fetch it again, or name another"
        ) from None
    return Contents(subject=name, kind="excerpt", files=files, dist_info=dist_info), policy


def _dist_info(archive: zipfile.ZipFile, name: str) -> str:
    """Return the one folder of metadata; without it, nothing says what the wheel is."""
    tops = {each.split("/")[0] for each in archive.namelist() if "/" in each}
    found = sorted(top for top in tops if top.endswith(".dist-info"))
    if len(found) != 1:
        raise WheelUnreadableError(f"{name}: expected one .dist-info folder, found {len(found)}")
    return found[0]


def _is_binary(member: str, policy: Policy) -> bool:
    inside = member.startswith(f"{policy.folder}/") and not unsafe_reason(member)
    return inside and ".so" in member.rpartition("/")[2]


def _read(archive: zipfile.ZipFile, member: str) -> bytes:
    info = archive.getinfo(member)
    if info.compress_type not in METHODS or info.file_size > MEMBER_LIMIT:
        found = f"method {info.compress_type}, {info.file_size} bytes"
        raise ValueError(f"{member}: {found}; expected stored or deflated, at most {MEMBER_LIMIT}")
    return archive.read(info)
