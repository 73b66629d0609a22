"""Bytes over HTTP with the standard library: ranges, resumption, retries, and a count of what came.

Knows servers that have no ranges, lie about them, cut a reply short or are slow. Refuses to know
wheels.
"""

from __future__ import annotations

import base64
import http.client
import netrc
import os
import re
import ssl
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from tools.precompiled.errors import UnreachableError

_T = TypeVar("_T")

CHUNK = 1 << 18
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
# A reply that may be different in a second; every other status is the server's last word.
NO_HEAD = frozenset({403, 405, 501})
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class NoRanges(Exception):  # noqa: N818 - an answer about the server, not an error of the user
    """The server does not serve the byte range that it was asked for."""


class NotThere(Exception):  # noqa: N818
    """The server says that there is no such document (404, 403 or 410)."""


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The end of a remote file, its whole size, and the validator that names this version of it."""

    size: int
    data: bytes
    etag: str


@dataclass(kw_only=True)
class Transport:
    """Read from servers and count the bytes of their bodies; `offline` refuses by name instead."""

    offline: bool = False
    attempts: int = 5
    timeout: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    on_bytes: Callable[[int], None] = lambda count: None
    fetched: int = 0
    # Names this run where a server gives its documents no name.
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def document(self, url: str, accept: str = "*/*") -> bytes:
        """Return a small document whole. Raises: NotThere, UnreachableError."""
        return self._retried(url, lambda: self._whole(url, accept))

    def validator(self, url: str) -> str:
        """Return what names a document's present version, '' where nothing does; read no body."""
        return self._retried(url, lambda: self._head(url))

    def tail(self, url: str, length: int) -> Tail:
        """Return the last `length` bytes. Raises: NoRanges where the server has none, or lies."""
        return self._retried(url, lambda: self._tail(url, length))

    def range_into(self, url: str, start: int, end: int, sink: BinaryIO) -> None:
        """Append bytes [start, end) to `sink`, which may hold a beginning; resume after each
        break.
        """
        origin = sink.seek(0, os.SEEK_END)

        def rest() -> None:
            position = start + sink.seek(0, os.SEEK_END)
            if position < end:
                self._append(url, position, end, sink)

        if start + origin > end:
            sink.truncate(0)
        self._retried(url, rest)

    def whole_into(self, url: str, sink: BinaryIO) -> None:
        """Write the whole document to `sink`, from its beginning at each attempt."""

        def once() -> None:
            sink.seek(0)
            sink.truncate()
            with self._open(url, {}) as reply:
                for piece in self._pieces(url, reply):
                    sink.write(piece)

        self._retried(url, once)

    def _head(self, url: str) -> str:
        try:
            reply = self._open(url, {}, method="HEAD")
        except urllib.error.HTTPError as error:
            if error.code not in NO_HEAD:
                raise
            # Signed links allow one method only; the body is left unread.
            reply = self._open(url, {"Range": "bytes=0-0"})
        with reply:
            marks = [reply.headers.get(name) or "" for name in ("ETag", "Last-Modified")]
            size = reply.headers.get("Content-Range") or reply.headers.get("Content-Length") or ""
        return " ".join([*marks, size]) if any(marks) else ""

    def _whole(self, url: str, accept: str) -> bytes:
        with self._open(url, {"Accept": accept}) as reply:
            return b"".join(self._pieces(url, reply))

    def _tail(self, url: str, length: int) -> Tail:
        with self._open(url, {"Range": f"bytes=-{length}"}) as reply:
            start, end, size = _content_range(reply)
            if end != size or end - start != min(length, size):
                raise NoRanges(
                    f"{redacted(url)}: asked for the last {length} bytes, got {start}-{end}"
                )
            data = b"".join(self._pieces(url, reply))
            etag = reply.headers.get("ETag", "")
        if len(data) != end - start:
            raise http.client.IncompleteRead(data, end - start - len(data))
        return Tail(size=size, data=data, etag="" if etag.startswith("W/") else etag)

    def _append(self, url: str, start: int, end: int, sink: BinaryIO) -> None:
        with self._open(url, {"Range": f"bytes={start}-{end - 1}"}) as reply:
            got_start, got_end, _ = _content_range(reply)
            if got_start != start or got_end > end:
                raise NoRanges(
                    f"{redacted(url)}: asked for {start}-{end}, offered {got_start}-{got_end}"
                )
            for piece in self._pieces(url, reply):
                sink.write(piece[: end - start])
                start += len(piece)
        if start < end:
            raise http.client.IncompleteRead(b"", end - start)

    def _pieces(self, url: str, reply: http.client.HTTPResponse) -> Iterator[bytes]:
        announced = reply.headers.get("Content-Length")
        seen = 0
        while piece := reply.read1(CHUNK):
            seen += len(piece)
            self._count(len(piece))
            yield piece
        if announced is not None and seen < int(announced):
            raise http.client.IncompleteRead(b"", int(announced) - seen)

    def _count(self, size: int) -> None:
        with self._lock:
            self.fetched += size
            self.on_bytes(size)

    def _open(
        self, url: str, headers: dict[str, str], method: str = "GET"
    ) -> http.client.HTTPResponse:
        plain, credentials = _without_credentials(url)
        identity = {"User-Agent": "vllm-precompiled", "Accept-Encoding": "identity"}
        request = urllib.request.Request(plain, headers=identity | headers, method=method)  # noqa: S310
        if credentials:
            # Not repeated to the host that a redirect names.
            request.add_unredirected_header("Authorization", f"Basic {credentials}")
        https = plain.startswith("https:")
        trust = [urllib.request.HTTPSHandler(context=_trust())] if https else []
        opener = urllib.request.build_opener(*trust, _SameMethod())
        reply = opener.open(request, timeout=self.timeout)
        assert isinstance(reply, http.client.HTTPResponse)
        return reply

    def _retried(self, url: str, ask: Callable[[], _T]) -> _T:
        if self.offline:
            raise UnreachableError(
                f"{redacted(url)}: not in the cache, and --offline forbids to fetch it; "
                "install once online with the same cache"
            )
        last: Exception | None = None
        for attempt in range(self.attempts):
            if attempt:
                self.sleep(min(0.2 * 2**attempt, 5.0))
            try:
                return ask()
            except urllib.error.HTTPError as error:
                if error.code in {403, 404, 410}:
                    raise NotThere(redacted(url)) from None
                if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise NoRanges(redacted(url)) from None
                if error.code not in PASSING_STATUS:
                    raise UnreachableError(
                        f"{redacted(url)}: the server answered {error}"
                    ) from None
                last = error
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and not _from_network(error):
                    raise
                last = error
        raise UnreachableError(
            f"{redacted(url)}: {self.attempts} attempts failed, the last with {last!r}; "
            "what came is kept, run the command again to resume"
        )


class _SameMethod(urllib.request.HTTPRedirectHandler):
    """Ask the place that a redirect names for no more than was asked for.

    Limit: CPython before 3.13 makes a GET of a redirected HEAD, and a whole wheel sets out.
    """

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Keep the method."""
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None:
            following.method = req.get_method()
        return following


def redacted(url: str) -> str:
    """Return the URL without the password that it may carry."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _content_range(reply: http.client.HTTPResponse) -> tuple[int, int, int]:
    """Return start, end (exclusive) and whole size of a partial reply."""
    match = CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", "").strip())
    if reply.status != http.client.PARTIAL_CONTENT or match is None:
        raise NoRanges(f"the server answered {reply.status} to a range")
    start, last, size = (int(number) for number in match.groups())
    if not start <= last < size:
        raise NoRanges(f"the server offered {match[0]}")
    return start, last + 1, size


def _without_credentials(url: str) -> tuple[str, str]:
    """Split `user:password@` (or a netrc entry for the host) off, as Basic credentials."""
    parts = urlsplit(url)
    plain = redacted(url)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return plain, base64.b64encode(pair.encode()).decode()
    try:
        entry = netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname or "")
    except (OSError, netrc.NetrcParseError):
        entry = None
    if entry is None:
        return plain, ""
    return plain, base64.b64encode(f"{entry[0]}:{entry[2]}".encode()).decode()


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)


def _from_network(error: OSError) -> bool:
    """Tell a broken connection from a full disk: only the first is worth another attempt."""
    network = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)
    return isinstance(error, network)
