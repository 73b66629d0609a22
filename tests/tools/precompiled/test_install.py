"""Tests of the whole install: what it leaves after success, failure, SIGKILL and removal."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
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
    PLAIN,
    append_member,
    ask,
    git,
    make_installer,
    make_wheel,
    sources_of,
    tree,
)
from tools.precompiled.compatibility import Library, Torch
from tools.precompiled.disk import Disk
from tools.precompiled.errors import (
    BadWheelError,
    ConflictError,
    IncompatibleError,
    NotWrittenError,
    NoWheelError,
)
from tools.precompiled.inspection import status, verify
from tools.precompiled.install import Installer
from tools.precompiled.manifest import STATE, read_manifest, saved_path
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


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "harm",
    [
        lambda wheel: wheel.write_bytes(wheel.read_bytes()[:-500]),
        lambda wheel: append_member(wheel, EXTENSION, b"again"),
        lambda wheel: append_member(wheel, EXTENSION.upper(), b"case"),
        lambda wheel: append_member(wheel, "vllm/../../out.so", b"escape"),
        lambda wheel: make_wheel(wheel.parent, modes={LIBRARY: 0o120777}),
        lambda wheel: make_wheel(wheel.parent, record={LIBRARY: f"{LIBRARY},sha256=AA,1"}),
        lambda wheel: make_wheel(
            wheel.parent, record={LIBRARY: f"{LIBRARY},sha256={'A' * 43},{len(FILES[LIBRARY])}"}
        ),
    ],
    ids=["truncated", "twice", "case", "escape", "symlink", "lying RECORD", "wrong digest"],
)
def test_a_bad_wheel_changes_nothing_and_a_good_one_installs_afterwards(
    installer: Installer, checkout: Path, wheel: Path, harm: Callable[[Path], object]
) -> None:
    """Each kind of damage is one error, before a byte of the checkout changes."""
    before = tree(checkout)
    harm(wheel)
    with pytest.raises(BadWheelError):
        installer.install(ask(wheel))
    assert tree(checkout) == before
    assert not (checkout / STATE).exists()
    assert len(installer.install(ask(make_wheel(wheel.parent))).written) == 3


def test_an_incompatible_wheel_is_refused_before_the_write(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """Comparison comes before the first effect on the checkout."""
    before = tree(checkout)
    foreign = replace(installer, read_library=lambda path: replace(PLAIN, machine="aarch64"))
    with pytest.raises(IncompatibleError, match="nothing was written"):
        foreign.install(ask(wheel))
    assert tree(checkout) == before
    assert not (checkout / STATE).exists()


def test_a_torch_that_changed_since_is_compared_again(installer: Installer, wheel: Path) -> None:
    """An install that has nothing to write still finds that its binaries no longer load."""
    installer.install(ask(wheel))
    other = replace(installer, host=replace(installer.host, glibc=(2, 10)))
    with pytest.raises(IncompatibleError, match=r"GLIBC_2\.17"):
        other.install(ask(wheel))


def test_another_torch_is_accepted_by_name_and_stays_accepted(
    installer: Installer, checkout: Path, tmp_path: Path
) -> None:
    """--any-torch takes the risk for this install and its verification, not for the next one."""
    requires = "Requires-Dist: torch==2.11.0\n"
    wheel = make_wheel(tmp_path / "wheels", metadata=requires)
    symbol = "_ZN3c104keptEv"
    c10 = tmp_path / "libc10.so"
    c10.touch()
    torch = Torch(version="2.13.0", cuda="", libraries={"libc10.so": c10})

    def read(path: Path) -> Library:
        names = frozenset({symbol})
        return replace(PLAIN, defined=names) if path == c10 else replace(PLAIN, undefined=names)

    other = replace(installer, host=replace(installer.host, torch=torch), read_library=read)
    with pytest.raises(IncompatibleError, match="--any-torch"):
        other.install(ask(wheel))
    other.install(ask(wheel, any_torch=True))
    assert verify(checkout, other.host, read) == []
    with pytest.raises(IncompatibleError, match="--any-torch"):
        other.install(ask(wheel))


def test_a_wheel_for_another_platform_is_refused_by_its_name(
    installer: Installer, tmp_path: Path
) -> None:
    """Tags are compared by packaging before the file is opened."""
    wheel = make_wheel(tmp_path / "other", tag="cp39-cp39-win_amd64")
    with pytest.raises(IncompatibleError, match="cp39-cp39-win_amd64"):
        installer.install(ask(wheel))


def test_a_selection_of_nothing_is_an_error(installer: Installer, wheel: Path) -> None:
    """A pattern with a slip must not look like a success."""
    with pytest.raises(NoWheelError, match="vllm/third_party/deepgemm"):
        installer.install(ask(wheel, patterns=("vllm/third_party/deepgemm/*",)))


def test_damaged_cache_contents_are_fetched_anew(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """A content that lost its digest in the cache never reaches the checkout."""
    installer.install(ask(wheel))
    installer.remove()
    for path in (installer.store.root / "contents").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"damaged")
    assert len(installer.install(ask(wheel)).written) == 3
    assert (checkout / LIBRARY).read_bytes() == FILES[LIBRARY]


def test_a_second_install_waits_for_the_first(
    installer: Installer, checkout: Path, wheel: Path
) -> None:
    """While one process holds the checkout, another one's install does not begin."""
    holder = (
        "import sys, pathlib; from tools.precompiled.disk import Disk;"
        "from tools.precompiled.install import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1]), Disk()): print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", holder, str(checkout)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        done = threading.Event()

        def install() -> None:
            installer.install(ask(wheel))
            done.set()

        second = threading.Thread(target=install)
        second.start()
        assert not done.wait(0.2)
        assert not (checkout / LIBRARY).exists()
        first.communicate("\n")
    second.join()
    assert (checkout / LIBRARY).exists()


def test_two_installs_at_once_end_in_one_state(
    checkout: Path, tmp_path: Path, wheel: Path, newer: Path
) -> None:
    """Four installs of two wheels, a cache shared: the last one's state, whole."""
    threads = [
        threading.Thread(
            target=make_installer(checkout, tmp_path / "cache").install, args=(ask(w),)
        )
        for w in (wheel, newer, wheel, newer)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    manifest = read_manifest(checkout)
    assert manifest is not None
    files = FILES if manifest.wheel == wheel.name else NEWER
    assert all((checkout / e.path).read_bytes() == files[e.path] for e in manifest.files)


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
