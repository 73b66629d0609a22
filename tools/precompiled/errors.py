"""The decisions that a precompiled install hands to the user, one class and exit code each."""

from __future__ import annotations

from typing import ClassVar

from tools.errors import ToolError


class NoSource(ToolError):  # noqa: N818 - named for the decision
    """Nothing says which wheel to take."""

    exit_code: ClassVar[int] = 40


class NoWheel(ToolError):  # noqa: N818
    """The place that was named holds no wheel for this interpreter, platform, commit or variant."""

    exit_code: ClassVar[int] = 41


class Unreachable(ToolError):  # noqa: N818
    """A server did not answer usefully, or something is not cached while offline."""

    exit_code: ClassVar[int] = 42


class BadWheel(ToolError):  # noqa: N818
    """The wheel contradicts itself or would write outside its place."""

    exit_code: ClassVar[int] = 43


class Incompatible(ToolError):  # noqa: N818
    """A binary of the wheel cannot load here."""

    exit_code: ClassVar[int] = 44


class Conflict(ToolError):  # noqa: N818
    """A file of the user stands where a binary would go."""

    exit_code: ClassVar[int] = 45


class NotWritten(ToolError):  # noqa: N818
    """The file system refused a write; the state before was restored."""

    exit_code: ClassVar[int] = 46


class GitRefused(ToolError):  # noqa: N818
    """There is a git checkout but git would not say which files are its own."""

    exit_code: ClassVar[int] = 47


class Damaged(ToolError):  # noqa: N818
    """What is installed is not what was installed."""

    exit_code: ClassVar[int] = 48
