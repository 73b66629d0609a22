"""What a person has to decide about an incremental build, an exit code each."""

from __future__ import annotations

from tools.errors import ToolError

# Of `stale`: the report itself says what to run.
STALE_EXIT_CODE = 80


class NotConfiguredError(ToolError):
    """Configure first."""

    exit_code = 81


class UnknownTargetError(ToolError):
    """Name a target that the build folder has."""

    exit_code = 82


class NoChangesError(ToolError):
    """Name a range that git knows."""

    exit_code = 83


class NoAnswerError(ToolError):
    """Mend ninja: it is not there or cannot read the build folder."""

    exit_code = 84
