"""Which file serves which CPython: names of extensions, SOABIs and coverage of requires-python.

Knows names only; what a file holds is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from tools.errors import ToolError
from tools.requires_python import NEWEST_MINOR, admitted_minors
from tools.wheel.contents import Contents
from tools.wheel.findings import Finding
from tools.wheel.policy import Policy

PLATFORM = "x86_64-linux-gnu"

Minor = tuple[int, int]


class RequiresPythonError(ToolError):
    """The requires-python to judge by is missing, no specifier, or admits no CPython."""

    exit_code: ClassVar[int] = 25


@dataclass(frozen=True, kw_only=True)
class Service:
    """The file that an interpreter of one CPython imports; None where there is none."""

    python: str
    file: str | None


def supported_minors(requires_python: str) -> tuple[Minor, ...]:
    """Return the CPython 3 minor versions that a requires-python admits."""
    try:
        specifiers = SpecifierSet(requires_python)
    except InvalidSpecifier as error:
        raise RequiresPythonError(
            f"requires-python {requires_python!r}: expected a version specifier such as "
            f"'>=3.10,<3.15', found {error}"
        ) from None
    minors = tuple((3, minor) for minor in admitted_minors(specifiers))
    if not requires_python.strip() or not minors:
        raise RequiresPythonError(
            f"requires-python {requires_python!r}: expected it to admit a CPython up to "
            f"3.{NEWEST_MINOR}, found none; name one with --requires-python"
        )
    return minors


def exact_soabi(minor: Minor) -> str:
    """Return the SOABI of the ordinary build of one CPython on Linux x86-64."""
    return "cpython-{}{}-{}".format(*minor, PLATFORM)


def abi3_soabi(floor: Minor) -> str:
    """Return what the marker of an abi3 extension states: its Py_LIMITED_API."""
    return "abi3-0x{:02X}{:02X}0000".format(*floor)


def expected_soabis(policy: Policy, minors: tuple[Minor, ...]) -> dict[str, str]:
    """Return the file of every extension that may be there, with the SOABI that it must state."""
    stem = f"{policy.folder}/{policy.module}"
    names = {f"{stem}.{exact_soabi(minor)}.so": exact_soabi(minor) for minor in minors}
    if policy.abi3_floor:
        names[f"{stem}.abi3.so"] = abi3_soabi(policy.abi3_floor)
    return names


def services(contents: Contents, policy: Policy, minors: tuple[Minor, ...]) -> tuple[Service, ...]:
    """Return which file each CPython imports: the exact extension before the abi3 one."""
    return tuple(
        Service(python="{}.{}".format(*minor), file=_serving(contents, policy, minor))
        for minor in minors
    )


def check_names(contents: Contents, policy: Policy, minors: tuple[Minor, ...]) -> Iterator[Finding]:
    """Yield every CPython that nothing serves, every missing file, every foreign shared object."""
    for service in services(contents, policy, minors):
        if service.file is None:
            expected = f"an extension for CPython {service.python}, which requires-python admits"
            yield Finding(file=policy.folder, expected=expected, found="none")
    always = [f"{policy.folder}/{policy.library}"] if policy.library else []
    if policy.abi3_floor:
        # uv ignores the upper bound of requires-python: the abi3 tag has to be true beyond it.
        always.append(f"{policy.folder}/{policy.module}.abi3.so")
    for name in always:
        if name not in contents.files:
            yield Finding(file=name, expected="the file", found="no such file")
    known = {*always, *expected_soabis(policy, minors)}
    for name in contents.shared_objects():
        if name not in known:
            expected = (
                f"no shared object but {policy.module} for a supported CPython and its library"
            )
            yield Finding(file=name, expected=expected, found="a foreign one")


def _serving(contents: Contents, policy: Policy, minor: Minor) -> str | None:
    stem = f"{policy.folder}/{policy.module}"
    exact = f"{stem}.{exact_soabi(minor)}.so"
    if exact in contents.files:
        return exact
    abi3 = f"{stem}.abi3.so"
    reached = policy.abi3_floor is not None and policy.abi3_floor <= minor
    return abi3 if reached and abi3 in contents.files else None
