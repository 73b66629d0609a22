"""A loopback server of files that can have ranges, lack them, lie about them, or break off."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import ClassVar
from urllib.parse import unquote


class WheelServer:
    """Serve a folder on 127.0.0.1; the fields say how to misbehave, at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ranges = True
        # Answer a range with 206 but other bytes than asked for.
        self.shifted = 0
        # Close the connection after so many bytes of a body, this many times.
        self.cut_after = 0
        self.cuts = 0
        # Answer 503 this many times.
        self.failures = 0
        self.redirect_to = ""
        # Give documents no ETag; refuse HEAD.
        self.nameless = False
        self.headless = False
        self.requests: list[str] = []
        self.authorization: list[str] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def __enter__(self) -> WheelServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """The host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    def url(self, path: str = "") -> str:
        """The URL of a served file."""
        return f"http://{self.address}/{path}"

    def serve(self, path: str, data: bytes) -> str:
        """Add a file and return its URL."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return self.url(path)


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[WheelServer]
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        if self.owner.headless:
            self._head(403, [])
        else:
            self._answer(body=False)

    def do_GET(self) -> None:
        """Answer with a body."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        owner = self.owner
        owner.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
        owner.authorization.append(self.headers.get("Authorization", ""))
        if owner.redirect_to:
            self._head(302, [("Location", owner.redirect_to + self.path)])
            return
        path = owner.folder / unquote(self.path).lstrip("/")
        path = path / "index.html" if path.is_dir() else path
        if owner.failures:
            owner.failures -= 1
            self._head(503, [("Content-Length", "0")])
        elif not path.is_file():
            self._head(404, [("Content-Length", "0")])
        else:
            self._file(path, body=body)

    def _file(self, path: Path, *, body: bool) -> None:
        size, stamp = path.stat().st_size, path.stat().st_mtime_ns
        named = [] if self.owner.nameless else [("ETag", f'"{size}-{stamp}"')]
        start, end, headers = 0, size, named
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if match and self.owner.ranges:
            first, last = match.groups()
            start = int(first) if first else max(0, size - int(last))
            end = min(size, int(last) + 1) if first and last else size
            start, end = start + self.owner.shifted, end + self.owner.shifted
            headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
        status = 206 if match and self.owner.ranges else 200
        self._head(status, [*headers, ("Content-Length", str(end - start))])
        if not body:
            return
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        if self.owner.cuts and len(data) > self.owner.cut_after:
            self.owner.cuts -= 1
            data = data[: self.owner.cut_after]
        self.wfile.write(data)

    def _head(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
