"""Where entries lie: published by one rename, verified when they are taken, set aside when they are
damaged.

entries/KEY/      an entry; its folder's time is its last use
staging/          entries in the making; what a killed process left is swept by prune
quarantine/       damaged entries, for whoever wants to know why
locks/KEY.lock    who compiles
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vllm.compilation.cache import entry
from vllm.compilation.cache.errors import UnknownKeyError
from vllm.compilation.counter import compilation_counter
from vllm.compilation.factors import Factors

logger = logging.getLogger(__name__)

_KEY_CHARACTERS = 64


@dataclass(frozen=True, kw_only=True)
class Store:
    """The cache below one folder."""

    root: Path

    @property
    def entries(self) -> Path:
        """Return the folder of the published entries."""
        return self.root / "entries"

    @property
    def staging(self) -> Path:
        """Return the folder of entries in the making."""
        return self.root / "staging"

    @property
    def quarantine(self) -> Path:
        """Return the folder of damaged entries."""
        return self.root / "quarantine"

    def lock(self, key: str) -> Path:
        """Return the file whose lock the maker of a key's entry holds."""
        return self.root / "locks" / f"{key}.lock"

    def published(self) -> list[str]:
        """List the keys of the published entries."""
        folders = self.entries.iterdir() if self.entries.is_dir() else ()
        return sorted(folder.name for folder in folders if len(folder.name) == _KEY_CHARACTERS)

    def find(self, prefix: str) -> str:
        """Return the one key that begins with a text.

        Raises: UnknownKeyError where none does, or several do.
        """
        found = [key for key in self.published() if key.startswith(prefix)]
        if len(found) != 1:
            what = "no entry" if not found else f"{len(found)} entries"
            raise UnknownKeyError(
                f"key {prefix}: expected one entry, found {what} in {self.entries}; try ls"
            )
        return found[0]

    def take(self, key: str, destination: Path) -> bool:
        """Copy a key's entry to a folder, verified; return whether there is one. A damaged one is
        set aside.
        """
        folder = self.entries / key
        if not folder.is_dir():
            return False
        try:
            entry.copy_verified(folder, key, destination)
        except entry.DamagedError as damage:
            self.set_aside(key, str(damage))
        except (
            OSError,
            shutil.Error,
        ) as error:  # pruned meanwhile, or the disk failed: both are misses
            logger.info("compile cache: entry %s went away (%s)", key[:12], error)
        else:
            with contextlib.suppress(OSError):  # whoever may only read loads all the same
                os.utime(folder)
            return True
        shutil.rmtree(destination, ignore_errors=True)
        return False

    def publish(self, factors: Factors, fill: Callable[[Path], None]) -> bool:
        """Make an entry: `fill` writes its files beside, one rename puts it in place; return
        whether it did.

        Whatever `fill` raises passes through, and nothing is published. An entry that is there
        already stays.
        """
        for folder in (self.staging, self.entries):
            folder.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=self.staging, prefix=f"{factors.key[:12]}-"))
        try:
            fill(staged)
            staged.chmod(0o755)  # mkdtemp's are private; a cache may be shared
            entry.seal(staged, factors)
            return self._rename(staged, factors.key)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _rename(self, staged: Path, key: str) -> bool:
        try:
            staged.rename(self.entries / key)
        except OSError:
            if not (self.entries / key).is_dir():
                raise
            logger.info("compile cache: %s was published meanwhile", key[:12])
            return False
        entry.synchronize(self.entries)
        return True

    def set_aside(self, key: str, reason: str) -> None:
        """Move a damaged entry to the quarantine; another process may have done so."""
        self.quarantine.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=self.quarantine, prefix=f"{key[:12]}-"))
        try:
            (self.entries / key).rename(place / "entry")
        except OSError:
            shutil.rmtree(place, ignore_errors=True)
            return
        (place / "reason.txt").write_text(f"{key}\n{reason}\n", encoding="utf-8")
        compilation_counter.num_quarantined += 1
        logger.warning(
            "compile cache: entry %s is damaged (%s); moved to %s", key[:12], reason, place
        )
