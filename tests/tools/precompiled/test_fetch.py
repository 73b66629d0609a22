"""Tests of bringing members into the shared cache."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.precompiled.server import WheelServer
from tests.tools.precompiled.wheels import CUTE, EXTENSION, FILES, LIBRARY, make_wheel
from tools.precompiled.archive import Directory, Member
from tools.precompiled.errors import BadWheelError, NoWheelError, UnreachableError
from tools.precompiled.fetch import GAP, Fetcher, runs
from tools.precompiled.source import Location, locate_wheel
from tools.precompiled.store import Store, sha256_of
from tools.precompiled.transport import Transport

BIG = {f"vllm/noise{n}.bin": random.Random(n).randbytes(200_000) for n in (3, 7)}


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    """A fetcher with an empty cache."""
    return Fetcher(store=Store(root=tmp_path / "cache"), transport=Transport(sleep=lambda _: None))


def served(server: WheelServer, **options: object) -> Location:
    """Serve a wheel whose wanted members are a small part."""
    wheel = make_wheel(server.folder, {**BIG, **FILES})
    return replace(locate_wheel(server.url(wheel.name)), **options)  # type: ignore[arg-type]


def pick(directory: Directory, *paths: str) -> list[Member]:
    """Return the members with these paths."""
    return [member for member in directory.members if member.path in paths]


def held(fetcher: Fetcher, members: list[Member]) -> dict[str, bytes]:
    """Return what the cache has of the members."""
    return {m.path: fetcher.store.content(m.digest).read_bytes() for m in members}


def leave_piece(store: Store, key: str, data: bytes) -> None:
    """Leave a piece as a broken download does."""
    with suppress(RuntimeError), store.piece(key) as piece:
        piece.write(data)
        raise RuntimeError


def test_only_the_wanted_bytes_are_fetched(server: WheelServer, fetcher: Fetcher) -> None:
    """The directory and two members of a large wheel are a small part of it."""
    location = served(server)
    directory = fetcher.directory(location)
    wanted = pick(directory, EXTENSION, LIBRARY)
    fetcher.members(location, wanted)
    assert held(fetcher, wanted) == {path: FILES[path] for path in (EXTENSION, LIBRARY)}
    size = (server.folder / directory.filename).stat().st_size
    assert fetcher.transport.fetched < (1 << 16) + 1000 < size


def test_a_second_time_costs_no_byte_and_works_offline(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """What is in the cache is not fetched: the server is asked for a date, offline for nothing."""
    location = served(server)
    wanted = pick(fetcher.directory(location), EXTENSION)
    fetcher.members(location, wanted)
    asked, fetched = len(server.requests), fetcher.transport.fetched
    fetcher.members(location, pick(fetcher.directory(location), EXTENSION))
    assert fetcher.transport.fetched == fetched
    assert all(request.startswith("HEAD ") for request in server.requests[asked:])
    fetcher.transport.offline = True
    asked = len(server.requests)
    fetcher.members(location, pick(fetcher.directory(location), EXTENSION))
    assert len(server.requests) == asked


def test_a_promised_digest_needs_no_question_at_all(server: WheelServer, fetcher: Fetcher) -> None:
    """Bytes with a digest cannot have changed."""
    location = served(server, digest="ab" * 32)
    fetcher.directory(location)
    asked = len(server.requests)
    fetcher.directory(location)
    assert len(server.requests) == asked


def test_offline_names_what_is_not_in_the_cache(server: WheelServer, fetcher: Fetcher) -> None:
    """An empty cache and no network is one clear error."""
    fetcher.transport.offline = True
    with pytest.raises(UnreachableError, match="not in the cache"):
        fetcher.directory(served(server))


def test_a_wheel_that_changed_on_the_server_is_read_anew(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """The same URL with other bytes is another version."""
    location = served(server)
    fetcher.directory(location)
    make_wheel(server.folder, {EXTENSION: b"newer"})
    assert len(fetcher.directory(location).members) == 3


def test_a_wheel_without_a_name_of_its_version_is_read_each_time(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """A server that says neither ETag nor date may have changed the bytes: a miss."""
    server.nameless = True
    location = served(server)
    fetcher.directory(location)
    fetched = fetcher.transport.fetched
    fetcher.directory(location)
    assert fetcher.transport.fetched == 2 * fetched


def test_a_link_that_refuses_head_is_asked_another_way(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """Signed links answer GET alone; still no byte is read for the question."""
    server.headless = True
    location = served(server)
    fetcher.directory(location)
    fetched = fetcher.transport.fetched
    fetcher.directory(location)
    assert fetcher.transport.fetched == fetched


def test_a_server_without_ranges_is_asked_for_the_whole_wheel_once(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """One whole download serves the directory, the members and every later install."""
    server.ranges = False
    location = served(server)
    wanted = pick(fetcher.directory(location), EXTENSION)
    fetcher.members(location, wanted)
    assert held(fetcher, wanted) == {EXTENSION: FILES[EXTENSION]}
    assert fetcher.transport.fetched == (server.folder / location.filename).stat().st_size
    fetcher.members(location, pick(fetcher.directory(location), LIBRARY))
    assert sum(request.startswith("GET ") for request in server.requests) == 2


def test_a_whole_wheel_is_compared_with_the_digest_of_the_index(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """A whole download with another SHA-256 is refused and not kept."""
    server.ranges = False
    location = served(server, digest="00" * 32)
    with pytest.raises(BadWheelError, match="expected SHA-256 0000"):
        fetcher.directory(location)
    assert not fetcher.store.whole(f"sha256={'00' * 32}").exists()


def test_ranges_that_stop_being_served_end_in_a_whole_download(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """A server that changes its mind between directory and members costs one download."""
    location = served(server)
    directory = fetcher.directory(location)
    server.shifted = 3
    wanted = pick(directory, LIBRARY, CUTE)
    fetcher.members(location, wanted)
    assert held(fetcher, wanted) == {path: FILES[path] for path in (LIBRARY, CUTE)}


def test_a_broken_download_is_resumed_by_the_next_command(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """What came before the server went away is not fetched again."""
    location = served(server)
    directory = fetcher.directory(location)
    wanted = pick(directory, "vllm/noise3.bin")
    server.cut_after, server.cuts = 100, 1
    broken = replace(fetcher, transport=Transport(attempts=1))
    with pytest.raises(UnreachableError, match="run the command again"):
        broken.members(location, wanted)
    before = fetcher.transport.fetched
    fetcher.members(location, wanted)
    run = runs(wanted)[0]
    assert fetcher.transport.fetched - before == run.end - run.start - 100


def test_a_resumed_piece_of_other_bytes_is_fetched_anew(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """A piece left by another version of the wheel costs a second try, not the install."""
    location = served(server, digest="ab" * 32)
    wanted = pick(fetcher.directory(location), LIBRARY)
    run = runs(wanted)[0]
    leave_piece(fetcher.store, f"sha256={'ab' * 32} {run.start}-{run.end}", b"old bytes")
    fetcher.members(location, wanted)
    assert held(fetcher, wanted) == {LIBRARY: FILES[LIBRARY]}


def test_a_wrong_digest_is_refused_and_nothing_is_kept(
    server: WheelServer, fetcher: Fetcher
) -> None:
    """A member that is not what RECORD promises never gets into the cache."""
    row = f"{LIBRARY},sha256={'A' * 43},{len(FILES[LIBRARY])}"
    wheel = make_wheel(server.folder, record={LIBRARY: row})
    location = locate_wheel(server.url(wheel.name))
    wanted = pick(fetcher.directory(location), LIBRARY)
    with pytest.raises(BadWheelError, match="SHA-256"):
        fetcher.members(location, wanted)
    assert not fetcher.store.holds(wanted[0].digest)


def test_two_installs_at_once_fetch_each_byte_once(server: WheelServer, fetcher: Fetcher) -> None:
    """The second waits for the first one's piece and finds it in the cache."""
    location = served(server)
    wanted = pick(fetcher.directory(location), LIBRARY, EXTENSION, "vllm/noise3.bin")
    before = fetcher.transport.fetched
    threads = [threading.Thread(target=fetcher.members, args=(location, wanted)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetcher.transport.fetched - before == sum(r.end - r.start for r in runs(wanted))


def test_a_wheel_that_is_not_there_is_one_error(server: WheelServer, fetcher: Fetcher) -> None:
    """An absent file and an absent URL are both said plainly."""
    with pytest.raises(NoWheelError, match="has none there"):
        fetcher.directory(locate_wheel(server.url("vllm-9-py3-none-any.whl")))
    with pytest.raises(NoWheelError, match="No such file"):
        fetcher.directory(locate_wheel("/nowhere/vllm-9-py3-none-any.whl"))


def test_neighbours_are_one_run_and_strangers_two() -> None:
    """Members closer than the gap are one request."""

    def at(start: int) -> Member:
        return Member(
            path=str(start), size=1, packed=1, method=0, mode=0, start=start, end=start + 10
        )

    assert [len(run.members) for run in runs([at(0), at(20), at(30 + 2 * GAP)])] == [2, 1]


def test_the_cache_publishes_whole_or_not_at_all(tmp_path: Path) -> None:
    """A failed write leaves neither the content nor a trace."""
    store = Store(root=tmp_path)
    with suppress(RuntimeError), store.publishing(store.content("ab" * 32)) as file:
        file.write(b"half")
        raise RuntimeError
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_note_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """A cache that does not know is a miss."""
    store = Store(root=tmp_path)
    store.keep("wheels", "key", {"a": 1})
    assert store.recall("wheels", "key") == {"a": 1}
    for path in tmp_path.rglob("*.json"):
        path.chmod(0o644)
        path.write_text("{")
    assert store.recall("wheels", "key") is None


def test_the_digest_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    """An empty file has the digest that everybody knows."""
    path = tmp_path / "empty"
    path.touch()
    with path.open("rb") as file:
        assert sha256_of(file).startswith("e3b0c44298fc1c14")
