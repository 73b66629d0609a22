"""Which wheel is meant: a path, a URL, a requirement on a package index, or a commit's nightly
wheel.

Says every place that it looked at, and never takes a second-best one in silence.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from tools.precompiled.errors import IncompatibleError, NoSourceError

LOCATION = "VLLM_PRECOMPILED_WHEEL_LOCATION"
COMMIT = "VLLM_PRECOMPILED_WHEEL_COMMIT"
VARIANT = "VLLM_PRECOMPILED_WHEEL_VARIANT"
BASE_URL = "VLLM_PRECOMPILED_WHEEL_BASE_URL"


@dataclass(frozen=True, kw_only=True)
class Location:
    """One wheel: where its bytes are, its file name, its SHA-256 where an index promises one."""

    place: Path | str
    filename: str
    digest: str = ""
    # What the user has to know of how it was found, e.g. that an ancestor's wheel stands in.
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the user asked for, before anything is looked up."""

    kind: Literal["wheel", "requirement", "commit"]
    value: str
    variant: str = ""
    base_url: str = ""

    @classmethod
    def parse(cls, named: str | None, environment: Mapping[str, str] = os.environ) -> Source:
        """Return the source that an argument, or else the environment, names. Raises:
        NoSourceError.
        """
        value = (named or environment.get(LOCATION, "")).strip()
        if value:
            return cls._of_value(value)
        commit, base = environment.get(COMMIT, "").strip(), environment.get(BASE_URL, "").strip()
        if not base:
            raise NoSourceError(
                (f"{COMMIT}={commit}: expected {BASE_URL} with it" if commit else "no wheel named")
                + f"; set {LOCATION} to a wheel's path or URL, or to a requirement such as "
                f"vllm==0.21.0, or set {BASE_URL} (and {COMMIT}, {VARIANT}) for nightly wheels"
            )
        if urlsplit(base).scheme not in {"http", "https"}:
            raise NoSourceError(f"{BASE_URL}={base}: expected an http or https URL")
        variant = environment.get(VARIANT, "").strip()
        return cls(kind="commit", value=commit, variant=variant, base_url=base)

    @classmethod
    def _of_value(cls, value: str) -> Source:
        if urlsplit(value).scheme in {"http", "https", "file"} or value.endswith(".whl"):
            return cls(kind="wheel", value=value)
        if Path(value).is_file():  # README.md is a requirement too, as far as its spelling goes
            raise NoSourceError(f"{value}: expected a wheel's path (*.whl), found another file")
        try:
            Requirement(value)
        except InvalidRequirement as error:
            raise NoSourceError(
                f"{value!r}: expected a wheel's path (*.whl), a URL (http, https, file) or a "
                f"requirement such as vllm==0.21.0; read as a requirement: {error}"
            ) from None
        return cls(kind="requirement", value=value)


def locate_wheel(value: str) -> Location:
    """Return the location of a path or URL; `#sha256=` at its end is a promised digest."""
    parts = urlsplit(value)
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path))
    elif parts.scheme in {"http", "https"}:
        promise = parts.fragment.partition("sha256=")[2].partition("&")[0]
        name = unquote(parts.path.rsplit("/", 1)[-1])
        place = parts._replace(fragment="").geturl()
        return Location(place=place, filename=name, digest=promise.lower())
    else:
        path = Path(value).expanduser().absolute()
    return Location(place=path, filename=path.name)


def check_tags(filename: str, supported: Sequence[Tag]) -> None:
    """Check that the wheel's name promises this interpreter and platform. Raises:
    IncompatibleError.
    """
    try:
        _, _, _, offered = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise IncompatibleError(
            f"{filename!r}: expected a wheel's file name "
            f"(name-version-python-abi-platform.whl): {error}"
        ) from None
    if offered.isdisjoint(supported):
        raise IncompatibleError(
            f"{filename}: made for {_spelled(offered)}; this interpreter takes e.g. "
            f"{_spelled(supported[:3])}; name a wheel for this interpreter and platform"
        )


def _spelled(tags: Sequence[Tag] | frozenset[Tag]) -> str:
    return ", ".join(sorted(str(tag) for tag in tags))
