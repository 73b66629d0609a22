"""What an audit found wrong, and the one error that reports all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tools.errors import ToolError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it has to be."""

    file: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: expected {self.expected}, found {self.found}"


class WheelAuditError(ToolError):
    """The wheel or the installed package does not keep what its name and metadata promise."""

    exit_code: ClassVar[int] = 24

    def __init__(self, subject: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        lines = "".join(f"\n  {finding}" for finding in findings)
        super().__init__(f"{subject}: expected a clean audit, found {len(findings)} faults:{lines}")
