"""What a person has to decide about their presets, an exit code each."""

from __future__ import annotations

from tools.errors import ToolError


class StalePresetsError(ToolError):
    """Write the presets again: this machine is no longer the one that they describe."""

    exit_code = 71


class InvalidPresetsError(ToolError):
    """Mend the file, or move it away: what is there cannot be read as presets."""

    exit_code = 72


class NameTakenError(ToolError):
    """Choose another name: a preset that was not generated has this one."""

    exit_code = 73


class ExistingPresetsError(ToolError):
    """Say that generated presets may be written over."""

    exit_code = 74


class UnwritablePresetsError(ToolError):
    """Make the folder writable."""

    exit_code = 75


class UnfitPythonError(ToolError):
    """Name another interpreter: this one does not answer or is too old."""

    exit_code = 76
