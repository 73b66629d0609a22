"""Tests of the whole install: what it leaves after success, repetition and removal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.precompiled.server import WheelServer
from tests.tools.precompiled.wheels import (
    CUTE,
    EXTENSION,
    FILES,
    INTERFACE,
    LIBRARY,
    NEWER,
    ask,
    git,
    make_wheel,
    sources_of,
    tree,
)
from tools.precompiled.disk import Disk
from tools.precompiled.errors import (
    ConflictError,
    NotWrittenError,
)
from tools.precompiled.inspection import status, verify
from tools.precompiled.install import Installer
from tools.precompiled.manifest import saved_path
from tools.precompiled.store import Store


def test_an_install_brings_the_binaries_and_no_source_file(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """Binaries are there, sources as they were, and git sees nothing."""
    before = sources_of(checkout)
    report = installer.install(ask(wheel))
    assert set(report.written) == {EXTENSION, LIBRARY, CUTE}
    assert (checkout / LIBRARY).read_bytes() == FILES[LIBRARY]
    assert sources_of(checkout) == before
    assert git(checkout, "status", "--porcelain") == ""
    assert verify(checkout, installer.host, installer.read_library) == []


def test_local_edits_of_source_files_are_kept(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """An edited interface is the user's work."""
    (checkout / INTERFACE).write_text("interface = 'edited'\n")
    installer.install(ask(wheel, replace=True))
    assert (checkout / INTERFACE).read_text() == "interface = 'edited'\n"


def test_a_repeated_install_writes_nothing(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """No effect on the disk, not even on the manifest."""
    installer.install(ask(wheel))
    effects: list[str] = []

    class Noting(Disk):
        def announce(self, effect: str, path: Path) -> None:
            effects.append(effect)

    replace(installer, disk=Noting()).install(ask(wheel))
    assert effects == []


def test_the_next_wheel_removes_what_it_does_not_bring(
    installer: Installer, checkout: Path, wheel: Path, newer: Path
) -> None:
    """A stale binary of the last install does not stay."""
    installer.install(ask(wheel))
    report = installer.install(ask(newer))
    assert report.removed == (CUTE,)
    assert not (checkout / CUTE).exists()
    assert (checkout / LIBRARY).read_bytes() == NEWER[LIBRARY]
    assert status(checkout)["changed"] == []


def test_a_running_process_keeps_the_file_that_it_has_open(
    installer: Installer, checkout: Path, wheel: Path, newer: Path
) -> None:
    """A replaced library is another file: nothing is truncated in place."""
    installer.install(ask(wheel))
    with (checkout / LIBRARY).open("rb") as mapped:
        installer.install(ask(newer))
        assert mapped.read() == FILES[LIBRARY]


def test_an_executable_member_stays_executable(
    installer: Installer, checkout: Path, tmp_path: Path
) -> None:
    """The mode's one meaning is kept, write permission of others is not taken over."""
    modes = {EXTENSION: 0o100775, LIBRARY: 0o100666}
    installer.install(ask(make_wheel(tmp_path / "modes", modes=modes)))
    assert (checkout / EXTENSION).stat().st_mode & 0o777 == 0o755
    assert (checkout / LIBRARY).stat().st_mode & 0o777 == 0o644


def test_remove_restores_the_state_before(
    installer: Installer, checkout: Path, wheel: Path, newer: Path
) -> None:
    """After two installs and one removal every file is as it was, folders and records included."""
    before = tree(checkout)
    folders = {path for path in checkout.rglob("*") if path.is_dir() and ".git" not in path.parts}
    installer.install(ask(wheel))
    installer.install(ask(newer))
    report = installer.remove()
    assert report is not None
    assert tree(checkout) == before
    after = {path for path in checkout.rglob("*") if path.is_dir() and ".git" not in path.parts}
    assert after == folders
    assert installer.remove() is None


def test_remove_brings_back_a_file_that_was_replaced(
    installer: Installer, checkout: Path, wheel: Path, newer: Path
) -> None:
    """With --replace the user's own build is saved, through a second install too."""
    (checkout / LIBRARY).write_text("built here")
    (checkout / LIBRARY).chmod(0o755)
    before = tree(checkout)
    with pytest.raises(ConflictError):
        installer.install(ask(wheel))
    assert tree(checkout) == before
    installer.install(ask(wheel, replace=True))
    assert saved_path(checkout, LIBRARY).read_text() == "built here"
    installer.install(ask(newer))
    installer.remove()
    assert tree(checkout) == before


def test_a_saved_file_that_somebody_deleted_does_not_stop_the_removal(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """What is not there cannot come back; ours goes all the same."""
    (checkout / LIBRARY).write_text("built here")
    installer.install(ask(wheel, replace=True))
    saved_path(checkout, LIBRARY).unlink()
    installer.remove()
    assert not (checkout / LIBRARY).exists()


def test_a_file_that_the_user_changed_is_left(
    installer: Installer, checkout: Path, wheel: Path, newer: Path
) -> None:
    """A changed file is a conflict for an install and stays at a removal."""
    installer.install(ask(wheel))
    (checkout / LIBRARY).write_text("patched")
    (checkout / CUTE).write_text("cute = 'patched'\n")
    with pytest.raises(ConflictError, match="changed since we installed it"):
        installer.install(ask(newer))
    report = installer.remove()
    assert report is not None
    assert report.left == (LIBRARY, CUTE)
    assert (checkout / LIBRARY).read_text() == "patched"


def test_bytecode_of_removed_modules_goes_with_them(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """A folder that only caches remain in would still be importable."""
    installer.install(ask(wheel))
    cache = checkout / CUTE
    cache = cache.parent / "__pycache__" / "interface.cpython-311.pyc"
    cache.parent.mkdir()
    cache.write_bytes(b"cached")
    installer.remove()
    assert not (checkout / CUTE).parent.exists()


def test_a_repeated_install_from_a_server_fetches_nothing(
    installer: Installer, checkout: Path, server: WheelServer
) -> None:
    """First install by ranges, then none, then another checkout with the same cache: no byte."""
    url = server.url(make_wheel(server.folder).name)
    assert installer.install(ask(url)).fetched > 0
    fetched = installer.transport.fetched
    installer.install(ask(url))
    installer.remove()
    installer.install(ask(url))
    assert installer.transport.fetched == fetched


def test_verify_names_each_kind_of_damage(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """A changed file, a missing one, a lost mode and a hidden source module are four findings."""
    installer.install(ask(wheel))
    (checkout / LIBRARY).write_text("changed")
    (checkout / CUTE).unlink()
    (checkout / EXTENSION).chmod(0o600)
    hiding = checkout / INTERFACE.replace(".py", ".so")
    hiding.write_text("an overlay that git ignores")
    found = "\n".join(verify(checkout, installer.host, installer.read_library))
    assert f"{LIBRARY}: changed" in found
    assert f"{CUTE}: missing" in found
    assert f"{EXTENSION}: mode 600" in found
    assert f"hides source-controlled {INTERFACE}" in found


def test_without_git_the_interfaces_survive_an_install(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """An unpacked source archive is as safe."""
    before = sources_of(checkout)
    (checkout / ".git").rename(checkout.parent / "moved")
    installer.install(ask(wheel, replace=True))
    assert {path: (checkout / path).read_bytes() for path in before} == before


def test_an_install_mends_a_mode_that_somebody_changed(installer: Installer, wheel: Path) -> None:
    """`verify` names it and says to install again: that helps, without a download."""
    installer.install(ask(wheel))
    (installer.root / EXTENSION).chmod(0o600)
    installer.install(ask(wheel))
    assert verify(installer.root, installer.host, installer.read_library) == []


def test_what_was_there_already_is_reported_too(installer: Installer, wheel: Path) -> None:
    """A wheel that is built from the checkout needs those binaries as well."""
    target = installer.root / EXTENSION
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(FILES[EXTENSION])
    report = installer.install(ask(wheel))
    assert EXTENSION in report.files
    assert EXTENSION not in report.written


def test_a_cache_that_cannot_be_written_is_one_error(
    installer: Installer, wheel: Path, tmp_path: Path
) -> None:
    """The checkout is as before, and what is cached already needs no write."""
    full = tmp_path / "full"
    full.write_text("a file where the cache's folder would be")
    before = tree(installer.root)
    with pytest.raises(NotWrittenError, match=r"full.*VLLM_PRECOMPILED_CACHE"):
        replace(installer, store=Store(root=full)).install(ask(wheel))
    assert tree(installer.root) == before


def test_a_cache_that_cannot_keep_notes_still_serves_contents(
    installer: Installer, wheel: Path, server: WheelServer
) -> None:
    """Notes save questions, no more; an image may bring a filled cache that is read-only."""
    (server.folder / wheel.name).write_bytes(wheel.read_bytes())
    installer.store.root.mkdir(parents=True)
    (installer.store.root / "resolved").write_text("no folder")
    assert EXTENSION in installer.install(ask(server.url(wheel.name))).written
