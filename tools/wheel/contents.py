"""The files that an audit judges, be they in a wheel, in site-packages or in a checkout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

# An excerpt is a wheel of which only the DeepGEMM part was read.
Kind = Literal["wheel", "excerpt", "installed", "checkout"]
WHOLE: tuple[Kind, ...] = ("wheel", "installed")  # of these, every file is at hand


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Files by their name in the wheel; `dist_info` names the folder of the metadata.

    The audits only look names up and read single files, so that `files` may also be lazy.
    """

    subject: str
    kind: Kind
    files: Mapping[str, bytes]
    dist_info: str | None

    def metadata(self, name: str) -> bytes | None:
        """Return a file of the metadata folder, None where there is none."""
        return self.files.get(f"{self.dist_info}/{name}") if self.dist_info else None

    def shared_objects(self) -> tuple[str, ...]:
        """Return every file that has the name or the first bytes of a shared object."""
        return tuple(sorted(name for name in self.files if self._is_shared_object(name)))

    def _is_shared_object(self, name: str) -> bool:
        suffixes = PurePosixPath(name).suffixes
        return ".so" in suffixes or self.files[name][:4] == b"\x7fELF"
