"""Find a requirement's wheel on the package index that uv or pip is configured with.

Knows the simple repository API (PEP 503 pages, PEP 691 JSON); which indexes is told by
index_settings.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tools.precompiled.errors import NoWheelError, UnreachableError
from tools.precompiled.index_settings import own_default
from tools.precompiled.source import Location, locate_wheel
from tools.precompiled.store import Store
from tools.precompiled.transport import NotThere, Transport, redacted

# Source: PEP 691, content negotiation.
ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.2"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One file that an index offers."""

    filename: str
    url: str
    digest: str
    requires_python: str
    yanked: bool


def find_on_index(
    text: str, indexes: Sequence[str], tags: Sequence[Tag], transport: Transport, store: Store
) -> Location:
    """Return the best wheel for the requirement; an exact pin is remembered, so that it costs
    nothing.

    Raises: NoWheelError with what the indexes do offer, UnreachableError.
    """
    requirement = Requirement(text)
    key = f"{requirement} {[redacted(url) for url in indexes]} {tags[0]}"
    note = store.recall("resolved", key)
    if note is not None and (transport.offline or _pinned(requirement)):
        return Location(**note)
    if transport.offline:
        raise UnreachableError(f"{requirement}: not resolved before with this cache, and --offline")
    offers = [offer for url in indexes for offer in _offers(url, requirement, transport)]
    best = choose(offers, requirement, tags)
    if best is None:
        raise NoWheelError(_nothing(requirement, offers, indexes, tags))
    place = locate_wheel(best.url).place
    location = Location(
        place=place,
        filename=best.filename,
        digest=best.digest,
        said=f"{requirement} from the index",
    )
    # A password in a link is not for a file.
    if isinstance(place, str) and place == redacted(place):
        store.keep("resolved", key, asdict(location))
    return location


def choose(offers: Sequence[Offer], requirement: Requirement, tags: Sequence[Tag]) -> Offer | None:
    """Return the newest offer, and of its version the one with the best tag and build number."""
    rank = {tag: -place for place, tag in enumerate(tags)}
    best: tuple[Version, int, tuple[int, str] | tuple[()]] | None = None
    found: Offer | None = None
    for offer in offers:
        parsed = _parsed(offer, requirement)
        if parsed is None:
            continue
        version, build, offered = parsed
        ranks = [rank[tag] for tag in offered if tag in rank]
        if not ranks or not _allowed(offer, version, requirement):
            continue
        mark = (version, max(ranks), build)
        if best is None or mark > best:
            best, found = mark, offer
    return found


def parse_page(page: bytes, url: str) -> list[Offer]:
    """Return what a project page offers, be it JSON or HTML."""
    if page.lstrip()[:1] == b"{":
        return [
            Offer(
                filename=file["filename"],
                url=urljoin(url, file["url"]),
                digest=file.get("hashes", {}).get("sha256", ""),
                requires_python=file.get("requires-python") or "",
                yanked=bool(file.get("yanked")),
            )
            for file in json.loads(page)["files"]
        ]
    reader = _Page(url)
    reader.feed(page.decode("utf-8", "replace"))
    return reader.offers


class _Page(HTMLParser):
    """Collect the anchors of a PEP 503 page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.offers: list[Offer] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an anchor's link, digest and data attributes."""
        values = dict(attrs)
        href = values.get("href")
        if tag != "a" or not href:
            return
        target = urljoin(self._url, href)
        place = locate_wheel(target)
        self.offers.append(
            Offer(
                filename=place.filename,
                url=target,
                digest=place.digest,
                requires_python=values.get("data-requires-python") or "",
                yanked="data-yanked" in values,
            )
        )


def _offers(index: str, requirement: Requirement, transport: Transport) -> list[Offer]:
    project = canonicalize_name(requirement.name)
    index = index or own_default()
    url = f"{index}/{project}/"
    if urlsplit(index).scheme not in {"http", "https"}:
        folder = Path(url2pathname(urlsplit(url).path)).absolute()
        return _folder_offers(folder, f"{folder.as_uri()}/")
    try:
        return parse_page(transport.document(url, ACCEPT), url)
    except NotThere:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise UnreachableError(
            f"{redacted(url)}: expected a project page (PEP 503 or 691), found something else "
            f"({error!r})"
        ) from None


def _folder_offers(folder: Path, url: str) -> list[Offer]:
    page = folder / "index.html"
    if page.is_file():
        return parse_page(page.read_bytes(), url)
    return parse_page(
        "".join(f'<a href="{path.name}">' for path in folder.glob("*.whl")).encode(), url
    )


def _parsed(
    offer: Offer, requirement: Requirement
) -> tuple[Version, tuple[int, str] | tuple[()], frozenset[Tag]] | None:
    if not offer.filename.endswith(".whl"):
        return None
    try:
        name, version, build, tags = parse_wheel_filename(offer.filename)
    except InvalidWheelFilename:
        return None
    return (version, build, tags) if name == canonicalize_name(requirement.name) else None


def _allowed(offer: Offer, version: Version, requirement: Requirement) -> bool:
    pinned = _pinned(requirement)
    if offer.yanked and not pinned:
        return False
    early = pinned or bool(requirement.specifier.prereleases)
    if not requirement.specifier.contains(version, prereleases=early):
        return False
    try:
        python = SpecifierSet(offer.requires_python)
    except InvalidSpecifier:
        return True
    return python.contains(".".join(map(str, sys.version_info[:3])), prereleases=True)


def _pinned(requirement: Requirement) -> bool:
    return any(
        spec.operator in {"==", "==="} and not spec.version.endswith(".*")
        for spec in requirement.specifier
    )


def _nothing(
    requirement: Requirement, offers: Sequence[Offer], indexes: Sequence[str], tags: Sequence[Tag]
) -> str:
    wheels = [(offer, parsed) for offer in offers if (parsed := _parsed(offer, requirement))]
    meant = [
        offer.filename for offer, (version, _, _) in wheels if version in requirement.specifier
    ]
    versions = sorted({version for _, (version, _, _) in wheels})
    looked = ", ".join(redacted(url) if url else "the tool's default index" for url in indexes)
    found = (
        f"found for other interpreters or platforms: {', '.join(meant)} (this one takes {tags[0]})"
        if meant
        else f"versions there: {', '.join(map(str, versions[-5:])) or 'none'}"
    )
    return f"{requirement}: expected a wheel on {looked}; {found}"
