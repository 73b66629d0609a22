"""Find the wheel that was built for a commit, in the layout of vLLM's nightly wheels.

Source: vLLM docs/contributing/ci/nightly_builds.md: BASE/COMMIT[/VARIANT]/vllm/metadata.json lists
the wheels, each with a `path` relative to that file; COMMIT may be the word `nightly`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urljoin

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from tools.precompiled.checkout import NATIVE_INPUTS, Checkout, git
from tools.precompiled.errors import GitRefusedError, NoWheelError
from tools.precompiled.source import BASE_URL, COMMIT, VARIANT, Location, Source, locate_wheel
from tools.precompiled.store import Store
from tools.precompiled.transport import NotThere, Transport, redacted

PACKAGE = "vllm"
NIGHTLY = "nightly"
ANCESTORS = 200
SHA = re.compile(r"[0-9a-f]{40}", re.I)


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search for a commit's wheel: where, for which tags, over which transport."""

    source: Source
    tags: Sequence[Tag]
    transport: Transport

    def metadata_url(self, commit: str) -> str:
        """Return where the list of a commit's wheels is."""
        parts = [self.source.base_url.rstrip("/"), commit, self.source.variant, PACKAGE]
        return "/".join(part for part in parts if part) + "/metadata.json"

    def wheel(self, commit: str) -> Location | None:
        """Return the commit's wheel, or None where it has no list of wheels for the variant.

        Raises: NoWheelError where there are wheels but none for this interpreter and platform.
        """
        url = self.metadata_url(commit)
        try:
            listed = json.loads(self.transport.document(url))
            wheels = [entry for entry in listed if self._is_variant(entry)]
            fitting = [entry for entry in wheels if _fits(entry["filename"], self.tags)]
            offered = ", ".join(entry["filename"] for entry in wheels)
            places = [locate_wheel(urljoin(url, entry["path"])) for entry in fitting]
        except NotThere:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoWheelError(
                f"{redacted(url)}: expected a list of wheels (metadata.json), found something else "
                f"({error!r}); check {BASE_URL}"
            ) from None
        if places:
            return places[0]
        variant = f", variant {self.source.variant}" if self.source.variant else ""
        raise NoWheelError(
            f"{redacted(url)}: expected a wheel for {self.tags[0]} or compatible{variant}; "
            f"found {offered or 'none of this variant'}"
        )

    def _is_variant(self, entry: dict[str, str | None]) -> bool:
        """Say whether the entry is of the variant asked for; the default variant has none."""
        same = (entry.get("variant") or "") == self.source.variant
        # The default variant may also lie under its alias, e.g. cu129.
        alias = bool(self.source.variant) and not entry.get("variant")
        return entry.get("package_name", PACKAGE) == PACKAGE and (same or alias)


def find_nightly(
    source: Source, checkout: Checkout, tags: Sequence[Tag], transport: Transport, store: Store
) -> Location:
    """Return the wheel of the commit, or of its nearest ancestor with the same native inputs.

    A commit's own wheel is remembered, so that it costs nothing; what else was found, for offline.

    Raises: NoWheelError with every place that was looked at, GitRefusedError where the commit is
    not known here, UnreachableError.
    """
    search = Search(source=source, tags=tags, transport=transport)
    is_nightly = source.value.lower() == NIGHTLY
    commit = NIGHTLY if is_nightly else _commit(source.value, checkout)
    key = f"{redacted(search.metadata_url(commit))} {tags[0]}"
    note = store.recall("resolved", key)
    if note is not None and (transport.offline or note["own"]):
        return Location(**note["location"])
    found = _find(search, commit, checkout)
    # A password in a link is not for a file.
    if isinstance(found.place, str) and found.place == redacted(found.place):
        own = not is_nightly and f"/{commit}/" in found.place
        store.keep("resolved", key, {"own": own, "location": asdict(found)})
    return found


def _find(search: Search, commit: str, checkout: Checkout) -> Location:
    if commit == NIGHTLY:
        found = search.wheel(NIGHTLY)
        if found is None:
            raise _nothing(search, [NIGHTLY], "")
        return _said(found, "the newest nightly wheel; its native inputs may differ from yours")
    if (found := search.wheel(commit)) is not None:
        return _said(found, f"the wheel of commit {commit[:12]}")
    return _ancestor(search, commit, checkout)


def _ancestor(search: Search, commit: str, checkout: Checkout) -> Location:
    wanted = _native_inputs(checkout, commit)
    history = git(checkout.root, "rev-list", "--first-parent", f"-n{ANCESTORS}", commit).split()
    looked = [commit]
    for ancestor in history[1:]:
        if _native_inputs(checkout, ancestor) != wanted:
            why = f"the native inputs ({', '.join(NATIVE_INPUTS)}) changed after {ancestor[:12]}"
            raise _nothing(search, looked, f"; {why}: build from source")
        looked.append(ancestor)
        if (found := search.wheel(ancestor)) is not None:
            steps = len(looked) - 1
            return _said(
                found,
                f"commit {commit[:12]} has no wheel; {ancestor[:12]}, {steps} commits before, has "
                "one and the same native inputs",
            )
    shallow = git(checkout.root, "rev-parse", "--is-shallow-repository").strip() == "true"
    hint = "; the clone is shallow: git fetch --deepen=100" if shallow else ""
    raise _nothing(search, looked, hint)


def _commit(named: str, checkout: Checkout) -> str:
    """Return the full name of the commit; of HEAD where none was named and nothing native is
    edited.
    """
    if not checkout.has_git:
        if SHA.fullmatch(named):
            return named.lower()
        raise GitRefusedError(
            f"{COMMIT}={named}: without git, expected `{NIGHTLY}` or all 40 digits"
        )
    if not named:
        edits = git(checkout.root, "status", "--porcelain", "--", *NATIVE_INPUTS)
        if edits.strip():
            raise NoWheelError(
                f"{checkout.root}: native inputs have edits that no wheel has:\n{edits.rstrip()}\n"
                f"build from source, or name the commit whose binaries you want in {COMMIT}"
            )
    try:
        return git(checkout.root, "rev-parse", "--verify", f"{named or 'HEAD'}^{{commit}}").strip()
    except GitRefusedError:
        if SHA.fullmatch(named):
            return named.lower()
        raise NoWheelError(
            f"{COMMIT}={named}: expected `{NIGHTLY}` or a commit of this clone; git fetch it first"
        ) from None


def _native_inputs(checkout: Checkout, commit: str) -> str:
    try:
        return git(checkout.root, "ls-tree", commit, "--", *NATIVE_INPUTS)
    except GitRefusedError:
        raise NoWheelError(
            f"{commit}: has no wheel of its own, and is not in this clone, so that no ancestor can "
            f"stand in; git fetch it, or set {COMMIT}={NIGHTLY}"
        ) from None


def _nothing(search: Search, looked: Sequence[str], hint: str) -> NoWheelError:
    first = redacted(search.metadata_url(looked[0]))
    more = f" and {len(looked) - 1} ancestors with the same native inputs" if looked[1:] else ""
    variant = search.source.variant
    return NoWheelError(
        f"no precompiled wheel: looked for {first}{more}"
        + (f" ({VARIANT}={variant}; unset it for the default variant)" if variant else "")
        + (hint or f"; check {BASE_URL}, or name another {COMMIT}")
    )


def _fits(filename: str, tags: Sequence[Tag]) -> bool:
    return not parse_wheel_filename(filename)[3].isdisjoint(tags)


def _said(location: Location, said: str) -> Location:
    return Location(**{**vars(location), "said": said})
