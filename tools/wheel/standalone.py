"""The same library as a wheel of its own: top-level package `deep_gemm`, distribution
`deep-gemm-hopper`.

Nothing is compiled and no file is kept twice: members of the built wheel change their folder, the
metadata change their name. Binaries stay the same bytes (decision 27).
"""

from __future__ import annotations

import calendar
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tools.wheel.policy import OURS, STANDALONE
from tools.wheel.reproducible import normalise
from tools.wheel.sbom import FOLDER, bill_of_materials, file_name

SUMMARY = (
    "DeepGEMM's interface for Hopper, compiled ahead of time: every CPython, no JIT, no toolkit"
)


def make_standalone(wheel: Path, folder: Path, description: str) -> Path:
    """Write the stand-alone wheel of one of ours into a folder and return it.

    `description` is its long description, in Markdown. The result is in normal form; its time is
    that of the wheel's members.
    """
    with zipfile.ZipFile(wheel) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        files = {info.filename: archive.read(info) for info in infos}
        epoch = calendar.timegm(infos[0].date_time)
        modes = {info.filename: info.external_attr for info in infos}
    members = _package(files)
    moved_modes = {_moved(name): modes[name] for name in files if _moved(name)}
    dist_info = next(name.partition("/")[0] for name in files if ".dist-info/" in name)
    members |= _dist_info(files, dist_info, members, description, epoch)
    target = folder / wheel.name.replace(_escaped(OURS.distribution), _name(), 1)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = moved_modes.get(name, 0o644 << 16)
            archive.writestr(info, data)
    normalise(target, epoch)
    return target


def _package(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the members of the package under their new names, the packages around it left out."""
    return {_moved(name): data for name, data in files.items() if _moved(name)}


def _moved(name: str) -> str:
    """Return the new name of a member of the package, nothing for any other."""
    prefix = f"{OURS.folder}/"
    return f"{STANDALONE.folder}/{name.removeprefix(prefix)}" if name.startswith(prefix) else ""


def _dist_info(
    files: Mapping[str, bytes],
    old: str,
    members: Mapping[str, bytes],
    description: str,
    epoch: int,
) -> dict[str, bytes]:
    """Return the metadata folder; RECORD is empty until the archive gets its normal form."""
    new = old.replace(_escaped(OURS.distribution), _name(), 1)
    metadata = _metadata(files[f"{old}/METADATA"].decode(), description).encode()
    kept = {
        name.replace(old, new, 1): data
        for name, data in files.items()
        if name.startswith(f"{old}/") and not name.startswith(f"{old}/{FOLDER}/")
    }
    return {
        **kept,
        f"{new}/METADATA": metadata,
        f"{new}/RECORD": b"",
        f"{new}/top_level.txt": f"{STANDALONE.folder}\n".encode(),
        f"{new}/{file_name(metadata)}": bill_of_materials(members, metadata, epoch),
    }


def _metadata(text: str, description: str) -> str:
    """Return METADATA with another name, summary and description; all else is what it was."""
    replaced = {"Name": STANDALONE.distribution, "Summary": SUMMARY}
    headers = text.partition("\n\n")[0].splitlines()
    lines = []
    for line in headers:
        key = line.partition(":")[0]
        lines.append(f"{key}: {replaced[key]}" if key in replaced else line)
    return "\n".join(lines) + f"\n\n{description}"


def _name() -> str:
    return _escaped(STANDALONE.distribution)


def _escaped(distribution: str) -> str:
    """Return a distribution's name as file names spell it."""
    return distribution.replace("-", "_")
