"""A wheel archive in its one normal form: the same files give the same bytes.

Knows the archive and RECORD. Refuses to know how the files were made: their bytes are the caller's.

Limit: equal bytes need an equal zlib; another implementation may deflate the same data differently.

Source: PyPA "Binary distribution format"; reproducible-builds.org, "SOURCE_DATE_EPOCH".
"""

from __future__ import annotations

import csv
import io
import os
import stat
import tempfile
import time
import zipfile
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError
from tools.wheel.record import digest

# DOS timestamps begin in 1980 and count two seconds.
EARLIEST = 315532800
LEVEL = 9
UNIX = 3  # create_system: the upper half of the attributes is a file mode


class NormaliseError(ToolError):
    """The archive has no normal form: no wheel, a member twice, or no RECORD."""

    exit_code: ClassVar[int] = 26


def normalise(wheel: Path, epoch: int) -> None:
    """Rewrite a wheel in normal form: sorted members, RECORD last, one time, modes 0644 or 0755.

    RECORD is written anew from the members. The archive is replaced by rename, or stays as it is.
    """
    try:
        modes, files = _read(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise NormaliseError(f"{wheel}: expected a wheel archive, found {error}") from None
    record = next((name for name in files if name.endswith(".dist-info/RECORD")), None)
    if record is None:
        raise NormaliseError(f"{wheel}: expected a .dist-info/RECORD, found none")
    names = sorted(files.keys() - {record}, key=lambda name: (".dist-info/" in name, name))
    files[record] = _record(names, files, record)
    _publish(wheel, _archive([*names, record], files, modes, epoch))


def _read(wheel: Path) -> tuple[dict[str, int], dict[str, bytes]]:
    modes: dict[str, int] = {}
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if info.filename in files:
                raise NormaliseError(f"{wheel}: expected {info.filename} once, found it twice")
            executable = info.external_attr >> 16 & 0o111
            modes[info.filename] = stat.S_IFREG | (0o755 if executable else 0o644)
            files[info.filename] = archive.read(info)
    return modes, files


def _record(names: list[str], files: dict[str, bytes], record: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((name, digest(files[name]), len(files[name])) for name in names)
    writer.writerow((record, "", ""))
    return text.getvalue().encode()


def _archive(names: list[str], files: dict[str, bytes], modes: dict[str, int], epoch: int) -> bytes:
    moment = time.gmtime(max(epoch, EARLIEST))[:6]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name, (*moment[:5], moment[5] // 2 * 2))
            info.create_system = UNIX
            info.external_attr = modes[name] << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name], compresslevel=LEVEL)
    return buffer.getvalue()


def _publish(wheel: Path, data: bytes) -> None:
    descriptor, beside = tempfile.mkstemp(dir=wheel.parent, prefix=f".{wheel.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes the file private; the wheel keeps the mode that it had.
        Path(beside).chmod(stat.S_IMODE(wheel.stat().st_mode))
        Path(beside).replace(wheel)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
