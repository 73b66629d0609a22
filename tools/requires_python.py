"""Which CPython minor versions a specifier admits: one answer for the build and for its audit.

Knows packaging's specifiers; what an empty answer means is its callers' to say.
"""

from __future__ import annotations

from packaging.specifiers import SpecifierSet

# Where requires-python has no upper bound, this ends the list: the newest CPython that decision 10
# supports. A later one has to be a choice of ours, not a surprise of its release day.
NEWEST_MINOR = 14
PATCHES = range(100)  # the longest series so far ended below 30


def admitted_minors(specifiers: SpecifierSet) -> tuple[int, ...]:
    """Return each x of 3.x, oldest first, of which at least one patch release is admitted."""
    return tuple(
        minor
        for minor in range(NEWEST_MINOR + 1)
        if any(specifiers.contains(f"3.{minor}.{patch}") for patch in PATCHES)
    )
