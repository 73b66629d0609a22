"""Installs that must not happen, and installs that meet each other: refused, damaged, at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.precompiled.wheels import (
    EXTENSION,
    FILES,
    LIBRARY,
    NEWER,
    PLAIN,
    append_member,
    ask,
    make_installer,
    make_wheel,
    tree,
)
from tools.precompiled.compatibility import Library, Torch
from tools.precompiled.errors import (
    BadWheelError,
    IncompatibleError,
    NoWheelError,
)
from tools.precompiled.inspection import verify
from tools.precompiled.install import Installer
from tools.precompiled.manifest import STATE, read_manifest


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
