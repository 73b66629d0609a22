"""The decisions that the cache leaves to its user, each with an exit code."""

from __future__ import annotations

from typing import ClassVar


class CacheError(Exception):
    """The base of what a command reports: subject, what was expected, what was found, what to do
    next.
    """

    exit_code: ClassVar[int] = 1


class UnknownKeyError(CacheError):
    """No entry, or more than one, begins with the given text."""

    exit_code = 3


class DamagedEntriesError(CacheError):
    """Entries do not hold what they were published with."""

    exit_code = 4


class BadArchiveError(CacheError):
    """An archive is no export of a cache, an entry in it is damaged, or it cannot be written."""

    exit_code = 5
