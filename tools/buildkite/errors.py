"""The decisions that a user of the CI steps has to take, one exit code each."""

from __future__ import annotations

from tools.errors import ToolError


class AreasInvalidError(ToolError):
    """The step files break their schema or a rule of the linter."""

    exit_code = 61


class UnknownStepError(ToolError):
    """No step, or more than one, answers to the name given."""

    exit_code = 62


class DeviceMissingError(ToolError):
    """A step needs hardware that this machine does not have."""

    exit_code = 63


class StepFailedError(ToolError):
    """A command failed, a step ran out of time, or one that it needs failed."""

    exit_code = 64


class DiffUnreadableError(ToolError):
    """Git cannot say which files a change touches."""

    exit_code = 65
