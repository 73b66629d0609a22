"""The decisions that a precompiled install hands to the user, one class and exit code each."""

from __future__ import annotations

from typing import ClassVar

from tools.errors import ToolError


class NoSourceError(ToolError):
    """Nothing says which wheel to take."""

    exit_code: ClassVar[int] = 40


class NoWheelError(ToolError):
    """The place that was named holds no wheel for this interpreter, platform, commit or variant."""

    exit_code: ClassVar[int] = 41


class UnreachableError(ToolError):
    """A server did not answer usefully, or something is not cached while offline."""

    exit_code: ClassVar[int] = 42


class BadWheelError(ToolError):
    """The wheel contradicts itself or would write outside its place."""

    exit_code: ClassVar[int] = 43


class IncompatibleError(ToolError):
    """A binary of the wheel cannot load here."""

    exit_code: ClassVar[int] = 44


class ConflictError(ToolError):
    """A file of the user stands where a binary would go."""

    exit_code: ClassVar[int] = 45


class NotWrittenError(ToolError):
    """The file system refused a write, to the checkout (its state before was restored) or the
    cache.
    """

    exit_code: ClassVar[int] = 46


class GitRefusedError(ToolError):
    """There is a git checkout but git would not say which files are its own."""

    exit_code: ClassVar[int] = 47


class DamagedError(ToolError):
    """What is installed is not what was installed."""

    exit_code: ClassVar[int] = 48
