"""The base of every error that a tool reports: one message for the user, one exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import ClassVar


class ToolError(Exception):
    """A decision that the user has to take; subclasses name the decision and its exit code.

    The message says, in this order: the subject and its value, what was expected and where that
    comes from, what was found, and the next command to try.
    """

    exit_code: ClassVar[int] = 1


def exit_with(main: Callable[[], int]) -> None:
    """Run `main` and exit with its code; a ToolError becomes its message on stderr and its code."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # `| head`: its end is no fault of ours, and nothing more can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141  # what a shell reports of SIGPIPE
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)
