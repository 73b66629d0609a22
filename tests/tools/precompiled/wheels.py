"""Real wheels, real checkouts and an installer that meets them, for the tests of this folder."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from tools.precompiled.compatibility import Host, Library
from tools.precompiled.install import Installer, Request
from tools.precompiled.source import Source
from tools.precompiled.store import Store
from tools.precompiled.transport import Transport

SUFFIX = EXTENSION_SUFFIXES[0]
EXTENSION = f"vllm/third_party/deep_gemm/_C{SUFFIX}"
LIBRARY = "vllm/third_party/deep_gemm/libdeep_gemm.so"
CUTE = "vllm/vllm_flash_attn/cute/interface.py"
INTERFACE = "vllm/vllm_flash_attn/flash_attn_interface.py"
PLAIN = Library(
    machine="x86_64", needed=(), undefined=frozenset(), defined=frozenset(), glibc=(2, 17)
)
HOST = Host(suffixes=tuple(EXTENSION_SUFFIXES), machine="x86_64", glibc=(2, 35), torch=None)
SOURCES = {
    "vllm/__init__.py": "",
    "vllm/third_party/__init__.py": "",
    "vllm/third_party/deep_gemm/__init__.py": "face = 'ours'\n",
    "vllm/vllm_flash_attn/__init__.py": "face = 'ours'\n",
    INTERFACE: "interface = 'ours'\n",
    ".gitignore": "__pycache__/\n/vllm/**/*.so\n/vllm/vllm_flash_attn/cute/\n",
}
FILES = {
    "vllm/__init__.py": b"overwritten = True\n",
    "vllm/third_party/deep_gemm/__init__.py": b"face = 'theirs'\n",
    INTERFACE: b"interface = 'theirs'\n",
    "vllm/engine.py": b"# a source file that the checkout does not have\n",
    EXTENSION: b"extension one" * 100,
    LIBRARY: b"library one" * 1000,
    CUTE: b"cute = 1\n",
}
# One file other, one the same, one more, one less.
NEWER = {
    LIBRARY: b"library two" * 2000,
    EXTENSION: FILES[EXTENSION],
    EXTENSION.replace("_C", "_D"): b"an extension more",
    "vllm/vllm_flash_attn/cute/deeper/kernel.py": b"kernel = 2\n",
    INTERFACE: b"interface = 'theirs, newer'\n",
}


def make_wheel(
    folder: Path,
    files: Mapping[str, bytes] = FILES,
    *,
    version: str = "1.0",
    tag: str = "py3-none-any",
    metadata: str = "",
    record: Mapping[str, str] | None = None,
    modes: Mapping[str, int] | None = None,
) -> Path:
    """Write a wheel; `record` replaces rows of RECORD, `modes` the Unix modes of members."""
    info = f"vllm-{version}.dist-info"
    contents = dict(files)
    contents[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n{metadata}".encode()
    )
    rows = {path: f"{path},sha256={_urlsafe(data)},{len(data)}" for path, data in contents.items()}
    rows |= record or {}
    contents[f"{info}/RECORD"] = "\n".join([*rows.values(), f"{info}/RECORD,,"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"vllm-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            entry = zipfile.ZipInfo(path)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (modes or {}).get(path, 0o100644) << 16
            archive.writestr(entry, data)
    return wheel


def make_checkout(root: Path, sources: Mapping[str, str] = SOURCES) -> Path:
    """Write and commit a small checkout."""
    for path, text in sources.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(root, "init", "-q", "-b", "main")
    commit(root, "first")
    return root


def commit(root: Path, message: str) -> str:
    """Commit everything and return the commit."""
    git(root, "add", "-A")
    who = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")
    git(root, *who, "commit", "-q", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD").strip()


def git(root: Path, *arguments: str) -> str:
    """Run git and return what it printed."""
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_installer(root: Path, cache: Path, **changes: Any) -> Installer:
    """Return an installer with a private cache, a patient transport and harmless libraries."""
    installer = Installer(
        root=root,
        store=Store(root=cache),
        transport=Transport(sleep=lambda seconds: None),
        read_library=lambda path: PLAIN,
        host=HOST,
    )
    return replace(installer, **changes)


def ask(wheel: Path | str, **changes: Any) -> Request:
    """Return the request to install a wheel."""
    return Request(source=Source.parse(str(wheel), {}), **changes)


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and mode of every file that is not git's or our own record."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] not in {".git", ".precompiled"}
    }


def sources_of(root: Path) -> dict[str, bytes]:
    """Return the bytes of every tracked file."""
    return {path: (root / path).read_bytes() for path in git(root, "ls-files").splitlines()}


def append_member(wheel: Path, path: str, data: bytes) -> None:
    """Add a second entry to the zip file, as a hostile or broken tool would."""
    buffer = io.BytesIO(wheel.read_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(path, data)
    wheel.write_bytes(buffer.getvalue())


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
