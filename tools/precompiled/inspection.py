"""Status and verify: what is installed, and every way in which it is not what was installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tools.precompiled.apply import is_interrupted
from tools.precompiled.checkout import Checkout
from tools.precompiled.compatibility import Comparison, Host, Library
from tools.precompiled.manifest import Installed, Manifest, is_as_installed, read_manifest
from tools.precompiled.plan import SHARED_OBJECT


def status(root: Path) -> dict[str, Any]:
    """Return what is installed and what became of it, by stamps alone; write nothing."""
    manifest = read_manifest(root)
    state: dict[str, Any] = {"interrupted": is_interrupted(root), "installed": manifest is not None}
    if manifest is None:
        return state
    return state | {
        "wheel": manifest.wheel,
        "source": manifest.source,
        "checked_against": manifest.checked_against,
        "torch_requirement": manifest.torch_requirement,
        "files": [entry.path for entry in manifest.files],
        "changed": [e.path for e in manifest.files if not is_as_installed(root, e)],
        "bytes": sum(entry.stamp[0] for entry in manifest.files),
    }


def verify(root: Path, host: Host, read_library: Callable[[Path], Library]) -> list[str]:
    """Return the findings: changed files, lost modes, hidden modules, binaries that cannot load."""
    checkout, manifest = Checkout.at(root), read_manifest(root)
    findings = [f"{path}: hides source-controlled {module}" for path, module in _hiding(checkout)]
    if is_interrupted(root):
        findings.append(
            "an install was interrupted: install or remove again restores the state before"
        )
    if manifest is None:
        return findings
    for entry in manifest.files:
        findings += _against_disk(root, entry, checkout)
    return findings + _loading(root, manifest, host, read_library)


def _against_disk(root: Path, entry: Installed, checkout: Checkout) -> Iterator[str]:
    path = root / entry.path
    if checkout.protects(entry.path):
        yield f"{entry.path}: is source-controlled now, no longer ours"
    elif not is_as_installed(root, entry, hashed=True):
        yield f"{entry.path}: {'changed since it was installed' if path.exists() else 'missing'}"
    elif path.stat().st_mode & 0o777 != entry.mode:
        yield f"{entry.path}: mode {path.stat().st_mode & 0o777:o}, installed as {entry.mode:o}"


def _loading(
    root: Path, manifest: Manifest, host: Host, read_library: Callable[[Path], Library]
) -> list[str]:
    paths = [entry.path for entry in manifest.files if SHARED_OBJECT.fullmatch(entry.path)]
    return Comparison(
        binaries={path: root / path for path in paths if (root / path).is_file()},
        host=host,
        read=read_library,
        torch_requirement=manifest.torch_requirement,
    ).findings()


def _hiding(checkout: Checkout) -> Iterator[tuple[str, str]]:
    """Yield what lies in the checkout, unknown to git, and is imported instead of a tracked
    module.
    """
    for module in sorted(checkout.tracked):
        path = Path(module)
        if path.suffix != ".py":
            continue
        folder = checkout.root / path.parent
        rivals = [folder / path.stem / "__init__.py", *folder.glob(f"{path.stem}.*so")]
        for rival in rivals:
            name = str(rival.relative_to(checkout.root))
            if rival.is_file() and not checkout.protects(name):
                yield name, module
