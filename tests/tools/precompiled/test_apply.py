"""Tests of an install that is killed or refused: what it leaves is the old state or the new one."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.precompiled.wheels import NEWER, ask, make_wheel, sources_of, tree
from tools.precompiled.apply import is_interrupted
from tools.precompiled.disk import Disk
from tools.precompiled.errors import BadWheelError, NotWrittenError
from tools.precompiled.inspection import status, verify
from tools.precompiled.install import Installer, exclusive
from tools.precompiled.manifest import read_manifest
from tools.precompiled.store import Store

KILLS = 50


class Announcing(Disk):
    """A disk that runs something before each effect."""

    def __init__(self, act: Callable[[int, str, Path], None]) -> None:
        self._act = act
        self.effects = 0

    def announce(self, effect: str, path: Path) -> None:
        """Count the effect and act."""
        self.effects += 1
        self._act(self.effects, effect, path)


class InterruptedOnce(Announcing):
    """The same, until it was interrupted."""

    def announce(self, effect: str, path: Path) -> None:
        """Act, once."""
        try:
            super().announce(effect, path)
        except KeyboardInterrupt:
            self._act = lambda count, effect, path: None
            raise


def full_from(number: int) -> Announcing:
    """Return a disk that is full from this effect on: nothing grows, names can still change."""

    def act(count: int, effect: str, path: Path) -> None:
        if count >= number and effect in {"create", "write", "make_folder"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    return Announcing(act)


def failing_once(number: int) -> Announcing:
    """Return a disk whose effect of this number fails."""

    def act(count: int, effect: str, path: Path) -> None:
        if count == number:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    return Announcing(act)


def count_effects(installer: Installer, wheel: Path) -> int:
    """Return how many effects the install has, and undo it."""
    disk = Announcing(lambda count, effect, path: None)
    replace(installer, disk=disk).install(ask(wheel))
    return disk.effects


def run_killed(installer: Installer, wheel: Path, number: int) -> bool:
    """Install in a child that is killed before its effect of this number; say whether it was."""

    def act(count: int, effect: str, path: Path) -> None:
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            replace(installer, disk=Announcing(act)).install(ask(wheel))
        finally:
            os._exit(0)
    _, code = os.waitpid(child, 0)
    return os.WIFSIGNALED(code)


def test_a_kill_at_any_point_leaves_the_old_or_the_new_state(
    installer: Installer, checkout: Path, wheel: Path, tmp_path: Path
) -> None:
    """SIGKILL at 50 points: sources stay, recovery finds one of two states, the next succeeds."""
    more = {f"vllm/third_party/deep_gemm/lib{n}.so": f"library {n}".encode() for n in range(6)}
    newer = make_wheel(tmp_path / "more", NEWER | more, version="2.0")
    installer.install(ask(wheel))
    old, sources = tree(checkout), sources_of(checkout)
    spare = shutil.copytree(checkout, checkout.parent / "spare", symlinks=True)
    effects = count_effects(installer, newer)
    new = tree(checkout)
    seen = {"old": 0, "new": 0}
    for kill in range(KILLS):
        shutil.rmtree(checkout)
        shutil.copytree(spare, checkout, symlinks=True)
        assert run_killed(installer, newer, 1 + kill * effects // KILLS)
        assert sources_of(checkout) == sources
        with exclusive(checkout, Disk()):
            pass
        after = tree(checkout)
        assert after in (old, new)
        seen["old" if after == old else "new"] += 1
        installer.install(ask(newer))
        assert tree(checkout) == new
        assert verify(checkout, installer.host, installer.read_library) == []
    assert effects >= KILLS
    assert min(seen.values()) > 0


def test_a_removal_after_a_killed_first_install_leaves_no_trace(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """Before the commit point there is nothing to remove, but our own folder and journal."""
    before = set(checkout.rglob("*"))
    effects = count_effects(installer, wheel)
    installer.remove()
    for number in range(1, effects, 4):
        assert run_killed(installer, wheel, number)
        installer.remove()
        assert set(checkout.rglob("*")) - before == set()
    assert run_killed(installer, wheel, effects // 2)
    report = installer.remove()
    assert report is not None
    assert "undid" in report.lines()[1]


def test_a_kill_during_recovery_is_recovered_too(
    installer: Installer, checkout: Path, wheel: Path, newer: Path
) -> None:
    """Undoing can be killed and repeated."""
    installer.install(ask(wheel))
    old = tree(checkout)
    effects = count_effects(installer, newer)
    installer.install(ask(wheel))
    assert run_killed(installer, newer, effects * 2 // 3)
    for number in range(1, 100):
        if not run_killed(installer, newer, number):
            break
    else:
        pytest.fail("recovery has no end")
    installer.install(ask(wheel))
    assert tree(checkout) == old


def test_a_kill_while_the_cache_is_filled_leaves_the_checkout_alone(
    installer: Installer, checkout: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is in the checkout before all is in the cache; the next install fetches the rest."""
    before = tree(checkout)
    real, published = Store.publishing, []

    def killing(store: Store, target: Path) -> object:
        published.append(target)
        if len(published) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(store, target)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "publishing", killing)
        child = os.fork()
        if child == 0:
            try:
                installer.install(ask(wheel))
            finally:
                os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert tree(checkout) == before
    assert len(installer.install(ask(wheel)).written) == 3


@pytest.mark.parametrize("disk", [full_from, failing_once])
def test_a_refused_write_at_each_effect_restores_the_state_before(
    installer: Installer,
    checkout: Path,
    wheel: Path,
    newer: Path,
    disk: Callable[[int], Announcing],
) -> None:
    """A full or failing disk at each effect: the old state or the new one, never between."""
    installer.install(ask(wheel))
    old, sources = tree(checkout), sources_of(checkout)
    effects = count_effects(installer, newer)
    new = tree(checkout)
    refused = 0
    for number in range(1, effects + 1):
        installer.install(ask(wheel))
        with suppress(NotWrittenError):
            replace(installer, disk=disk(number)).install(ask(newer))
            refused -= 1
        refused += 1
        assert sources_of(checkout) == sources
        with exclusive(checkout, Disk()):
            pass
        assert tree(checkout) in (old, new)
        installer.install(ask(newer))
        assert tree(checkout) == new
    assert refused > effects // 2


def test_a_folder_that_cannot_be_written_is_one_error(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """A read-only folder leaves everything as it was."""

    def act(count: int, effect: str, path: Path) -> None:
        if path.parent.name == "deep_gemm":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    before = tree(checkout)
    with pytest.raises(NotWrittenError, match="Read-only file system"):
        replace(installer, disk=Announcing(act)).install(ask(wheel))
    assert tree(checkout) == before
    assert len(installer.install(ask(wheel)).written) == 3


def test_a_read_only_checkout_is_one_error(installer: Installer, wheel: Path) -> None:
    """Where nothing could be written, nothing has to be undone, and the message says so."""

    def refuse(count: int, effect: str, path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    refused = replace(installer, disk=Announcing(refuse))
    with pytest.raises(NotWrittenError, match="the state before was restored"):
        refused.install(ask(wheel))
    assert run_killed(installer, wheel, 12)
    assert is_interrupted(installer.root)
    with pytest.raises(NotWrittenError, match="not undone yet"):
        refused.remove()


def test_a_cache_that_changes_while_it_is_copied_is_found_out(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """What is copied is hashed again: the state before is restored, the next install succeeds."""

    def damage(count: int, effect: str, path: Path) -> None:
        for content in (installer.store.root / "contents").rglob("*"):
            if effect == "create" and content.is_file():
                content.chmod(0o644)
                content.write_bytes(b"damaged")

    before = tree(checkout)
    with pytest.raises(BadWheelError, match="changed while it was copied"):
        replace(installer, disk=Announcing(damage)).install(ask(wheel))
    assert tree(checkout) == before
    assert len(installer.install(ask(wheel)).written) == 3


@pytest.mark.parametrize("committed", [False, True])
def test_an_interrupt_is_undone_before_the_commit_point_and_stands_after_it(
    installer: Installer, checkout: Path, wheel: Path, newer: Path, committed: bool
) -> None:
    """Ctrl-C at any moment leaves one of the two states at once."""
    installer.install(ask(wheel))
    old = tree(checkout)
    manifest = read_manifest(checkout)
    assert manifest is not None

    def interrupt(count: int, effect: str, path: Path) -> None:
        now = read_manifest(checkout)
        if effect == "sync_folder" and (now != manifest) is committed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(installer, disk=InterruptedOnce(interrupt)).install(ask(newer))
    assert (tree(checkout) == old) is not committed
    assert not is_interrupted(checkout)
    assert status(checkout)["changed"] == []
