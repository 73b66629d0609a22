"""Change a checkout so that a kill at any point can be undone or finished by the next command.

Order: journal, stage beside, keep the old under a second name, rename, manifest, tidy up. The
manifest's generation is the commit point: `recover` undoes what stopped before it and tidies up
what stopped after.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tools.precompiled.disk import Disk
from tools.precompiled.errors import BadWheelError, NotWrittenError
from tools.precompiled.manifest import (
    STATE,
    Installed,
    Manifest,
    digest_of,
    folders_above,
    make_state_folder,
    manifest_path,
    read_manifest,
    saved_path,
    stamp_of,
)


@dataclass(frozen=True, kw_only=True)
class Put:
    """A file to be: its path, where its bytes lie, and their digest."""

    path: str
    source: str
    digest: str
    mode: int
    # The file now there is the user's: keep it in .precompiled/saved.
    save: bool = False
    # The bytes come from .precompiled/saved and go back to the user.
    give_back: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """All that one install or removal changes; `manifest` describes the state after it."""

    puts: tuple[Put, ...]
    drops: tuple[str, ...]
    manifest: Manifest
    # Folders that the last install made and that nothing of ours needs any more.
    drop_folders: tuple[str, ...] = ()

    def staged(self, root: Path, path: str) -> Path:
        """Return where a new file waits: beside its target."""
        return self._beside(root, path, "new")

    def kept(self, root: Path, path: str) -> Path:
        """Return the second name of the file that is replaced or dropped."""
        return self._beside(root, path, "old")

    def _beside(self, root: Path, path: str, role: str) -> Path:
        target = root / path
        return target.with_name(f".{target.name}.{self.manifest.generation[:12]}.{role}")


@dataclass(frozen=True, kw_only=True)
class _Journal:
    """What has to be known to undo or to finish a change."""

    change: Change
    # Paths whose target was there before.
    had: tuple[str, ...]
    made_folders: tuple[str, ...]

    @classmethod
    def read(cls, root: Path) -> _Journal | None:
        try:
            fields = json.loads(_journal_path(root).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        change = fields["change"]
        manifest = Manifest(**{**change["manifest"], "files": ()})
        return cls(
            change=Change(
                puts=tuple(Put(**put) for put in change["puts"]),
                drops=tuple(change["drops"]),
                manifest=manifest,
                drop_folders=tuple(change["drop_folders"]),
            ),
            had=tuple(fields["had"]),
            made_folders=tuple(fields["made_folders"]),
        )


def apply(root: Path, change: Change, disk: Disk) -> None:
    """Make the change, or leave everything as it was.

    Raises: NotWrittenError and BadWheelError, after restoring the state before.
    """
    paths = [put.path for put in change.puts]
    journal = _Journal(
        change=change,
        had=tuple(path for path in [*paths, *change.drops] if (root / path).exists()),
        made_folders=tuple(f for f in folders_above(paths) if not (root / f).exists()),
    )
    try:
        make_state_folder(root, disk)
        disk.publish(_journal_path(root), json.dumps(asdict(journal)))
        _stage(root, journal, disk)
        _switch(root, journal, disk)
    except OSError as error:
        _settle(root, journal, disk, error)
    except BaseException:
        recover(root, disk)
        raise
    # What is not tidied up now is by the next command: the new state stands.
    with suppress(OSError):
        _tidy(root, journal, disk)


def _settle(root: Path, journal: _Journal, disk: Disk, error: OSError) -> None:
    """Undo after a refused write, unless the refusal came after the commit point."""
    if _is_committed(root, journal):
        return
    subject = error.filename or root
    try:
        _undo(root, journal, disk)
    except OSError as again:
        raise NotWrittenError(
            f"{subject}: {error.strerror}; then {again.filename}: {again.strerror}, so the state "
            "before is not restored yet: the next command that can write here does it"
        ) from None
    raise NotWrittenError(
        f"{subject}: {error.strerror}; the state before was restored; make room or make the folder "
        "writable, then run the command again (what was fetched is kept)"
    ) from None


def recover(root: Path, disk: Disk) -> str:
    """Undo or finish what a killed run left, and return what was done ('' for nothing)."""
    journal = _Journal.read(root)
    if journal is None:
        return ""
    if _is_committed(root, journal):
        _tidy(root, journal, disk)
        return "finished the change that was interrupted after its last file"
    _undo(root, journal, disk)
    return "undid the change that was interrupted"


def is_interrupted(root: Path) -> bool:
    """Say whether a change was interrupted and not recovered yet."""
    return _journal_path(root).is_file()


def _stage(root: Path, journal: _Journal, disk: Disk) -> None:
    change = journal.change
    for folder in journal.made_folders:
        disk.make_folder(root / folder)
        disk.sync_folder((root / folder).parent)
    for put in change.puts:
        found = disk.copy(Path(put.source), change.staged(root, put.path), put.mode)
        if found != put.digest:
            raise BadWheelError(
                f"{put.path}: {put.source} changed while it was copied, the state before was "
                "restored; run the command again"
            )
    for path in journal.had:
        disk.keep(root / path, change.kept(root, path))
    # Order: the kept names are durable before the first target changes.
    for parent in _folders(root, [*journal.had, *(put.path for put in change.puts)]):
        disk.sync_folder(parent)


def _switch(root: Path, journal: _Journal, disk: Disk) -> None:
    change = journal.change
    for put in change.puts:
        disk.rename(change.staged(root, put.path), root / put.path)
    for path in change.drops:
        disk.delete(root / path)
    for parent in _folders(root, [*change.drops, *(put.path for put in change.puts)]):
        disk.sync_folder(parent)
    stamped = tuple(_stamped(root, entry, change.puts) for entry in change.manifest.files)
    # The commit point.
    disk.publish(manifest_path(root), replace(change.manifest, files=stamped).text())


def _stamped(root: Path, entry: Installed, puts: Iterable[Put]) -> Installed:
    written = any(put.path == entry.path for put in puts)
    return replace(entry, stamp=stamp_of(root / entry.path)) if written else entry


def _tidy(root: Path, journal: _Journal, disk: Disk) -> None:
    """Move the user's files to where they are kept, drop the old names; can be repeated."""
    change = journal.change
    saves = {put.path for put in change.puts if put.save}
    for path in journal.had:
        kept = change.kept(root, path)
        if path in saves and kept.exists():
            saved = saved_path(root, path)
            if saved.exists():  # an earlier one waits there to come back
                saved = saved.with_name(f"{saved.name}.{change.manifest.generation[:12]}")
            saved.parent.mkdir(parents=True, exist_ok=True)
            disk.rename(kept, saved)
        else:
            disk.delete(kept)
    for put in change.puts:
        if put.give_back:
            disk.delete(saved_path(root, put.path))
    for path in change.drops:
        _drop_bytecode(root / path, disk)
    for folder in sorted(change.drop_folders, reverse=True):
        disk.drop_folder(root / folder)
    disk.delete(_journal_path(root))


def _undo(root: Path, journal: _Journal, disk: Disk) -> None:
    """Restore the state before the change; can be repeated."""
    change = journal.change
    for put in change.puts:
        kept, staged = change.kept(root, put.path), change.staged(root, put.path)
        if kept.exists():
            disk.restore(kept, root / put.path)
        elif put.path not in journal.had and not staged.exists():
            _forget(root / put.path, put, disk)
        disk.delete(staged)
    for path in change.drops:
        kept = change.kept(root, path)
        if kept.exists():
            disk.restore(kept, root / path)
    for folder in reversed(journal.made_folders):
        disk.drop_folder(root / folder)
    disk.delete(_journal_path(root))


def _forget(target: Path, put: Put, disk: Disk) -> None:
    """Delete a file that was not there before, if it is the one that we put there."""
    if target.is_file() and digest_of(target) == put.digest:
        disk.delete(target)


def _drop_bytecode(source: Path, disk: Disk) -> None:
    """Delete what an interpreter cached for a dropped module, so that its folder can go."""
    cache = source.parent / "__pycache__"
    if source.suffix != ".py" or not cache.is_dir():
        return
    for path in cache.glob(f"{source.stem}.*.pyc"):
        disk.delete(path)
    disk.drop_folder(cache)


def _is_committed(root: Path, journal: _Journal) -> bool:
    manifest = read_manifest(root)
    return manifest is not None and manifest.generation == journal.change.manifest.generation


def _folders(root: Path, paths: Iterable[str]) -> list[Path]:
    return sorted({(root / path).parent for path in paths})


def _journal_path(root: Path) -> Path:
    return root / STATE / "journal.json"
