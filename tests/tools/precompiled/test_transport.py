"""Tests of reading over HTTP from servers good and bad."""

from __future__ import annotations

import io

import pytest

from tests.tools.precompiled.server import WheelServer
from tools.precompiled.errors import UnreachableError
from tools.precompiled.transport import NoRanges, NotThere, Transport, redacted

DATA = bytes(range(256)) * 4096


@pytest.fixture
def transport() -> Transport:
    """A transport that does not wait between attempts."""
    return Transport(sleep=lambda seconds: None)


def test_a_tail_is_one_request_and_tells_the_whole_size(
    server: WheelServer, transport: Transport
) -> None:
    """The end of a file and its size come together, and only those bytes."""
    tail = transport.tail(server.serve("file", DATA), 100)
    assert (tail.data, tail.size) == (DATA[-100:], len(DATA))
    assert transport.fetched == 100
    assert len(server.requests) == 1


def test_a_tail_longer_than_the_file_is_the_file(server: WheelServer, transport: Transport) -> None:
    """A small file is read whole."""
    assert transport.tail(server.serve("file", b"small"), 100).data == b"small"


def test_a_server_without_ranges_says_so(server: WheelServer, transport: Transport) -> None:
    """A 200 to a range is an answer, and its body is not read to the end."""
    server.ranges = False
    with pytest.raises(NoRanges):
        transport.tail(server.serve("file", DATA), 100)
    assert transport.fetched == 0


@pytest.mark.parametrize("shift", [-5, 7])
def test_a_server_that_lies_about_ranges_is_found_out(
    server: WheelServer, transport: Transport, shift: int
) -> None:
    """A 206 with other bytes than asked for counts as having no ranges."""
    url = server.serve("file", DATA)
    server.shifted = shift
    with pytest.raises(NoRanges):
        transport.tail(url, 100)
    with pytest.raises(NoRanges):
        transport.range_into(url, 1000, 2000, io.BytesIO())


def test_a_reply_that_breaks_off_is_resumed_where_it_broke(
    server: WheelServer, transport: Transport
) -> None:
    """Three breaks cost no byte twice."""
    url, sink = server.serve("file", DATA), io.BytesIO()
    server.cut_after, server.cuts = 1000, 3
    transport.range_into(url, 100, 9000, sink)
    assert sink.getvalue() == DATA[100:9000]
    assert transport.fetched == 8900


def test_a_piece_that_was_begun_is_continued(server: WheelServer, transport: Transport) -> None:
    """What an earlier run left is not fetched again."""
    sink = io.BytesIO(DATA[100:600])
    transport.range_into(server.serve("file", DATA), 100, 1100, sink)
    assert sink.getvalue() == DATA[100:1100]
    assert transport.fetched == 500


def test_a_passing_failure_is_retried_and_a_lasting_one_named(
    server: WheelServer, transport: Transport
) -> None:
    """Two 503 are survived; nothing but 503 ends in one error that names the URL."""
    url = server.serve("file", b"here")
    server.failures = 2
    assert transport.document(url) == b"here"
    server.failures = 99
    with pytest.raises(UnreachableError, match=r"5 attempts .* 503"):
        transport.document(url)


def test_an_absent_document_is_not_asked_for_again(
    server: WheelServer, transport: Transport
) -> None:
    """404 is the last word."""
    with pytest.raises(NotThere):
        transport.document(server.url("absent"))
    assert len(server.requests) == 1


def test_offline_refuses_before_a_connection(server: WheelServer) -> None:
    """Nothing is asked of a server with --offline."""
    with pytest.raises(UnreachableError, match="--offline"):
        Transport(offline=True).document(server.url("file"))
    assert server.requests == []


def test_credentials_reach_the_host_that_they_are_for_and_no_other(
    server: WheelServer, transport: Transport
) -> None:
    """A redirect to another host does not carry the password, and no message does."""
    server.serve("file", b"here")
    with WheelServer(server.folder) as front:
        front.redirect_to = server.url().rstrip("/")
        url = f"http://user:secret@{front.address}/file"
        assert transport.document(url) == b"here"
        assert front.authorization == ["Basic dXNlcjpzZWNyZXQ="]
    assert server.authorization == [""]
    assert "secret" not in redacted(url)


def test_a_redirected_question_for_the_version_asks_for_no_body(
    server: WheelServer, transport: Transport
) -> None:
    """The method stays, where CPython's own would fetch the whole document."""
    server.serve("file", b"here")
    with WheelServer(server.folder) as front:
        front.redirect_to = server.url().rstrip("/")
        assert transport.validator(front.url("file"))
    assert [request.split()[0] for request in server.requests] == ["HEAD"]


def test_a_full_disk_is_not_taken_for_a_broken_connection(
    server: WheelServer, transport: Transport
) -> None:
    """An error of the sink is raised at once, not retried."""

    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    url = server.serve("file", DATA)
    with pytest.raises(OSError, match="No space"):
        transport.range_into(url, 0, 100, Full())
    assert len(server.requests) == 1
