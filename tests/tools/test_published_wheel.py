"""Wheels on a server, judged by ranges."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.precompiled.server import WheelServer
from tests.tools.wheel.little_wheels import needs_compiler
from tests.tools.wheel.published import NAME, published_files, write_published
from tools import check_wheel_deepgemm
from tools.precompiled import index_settings
from tools.precompiled.errors import NoSourceError, NoWheelError
from tools.published_wheel import NoRangesError, is_elsewhere, judge_elsewhere
from tools.wheel.findings import WheelAuditError

pytestmark = needs_compiler
PAGE = f'<a href="../../{NAME}">{NAME}</a>'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WheelServer]:
    """A server of files that is the only package index."""
    monkeypatch.setenv("VLLM_PRECOMPILED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setattr(index_settings, "_said", lambda command, *rest: "")
    (tmp_path / "served").mkdir()
    with WheelServer(tmp_path / "served") as running:
        monkeypatch.setenv("UV_DEFAULT_INDEX", running.url("simple"))
        running.serve("simple/vllm/index.html", PAGE.encode())
        yield running


@pytest.mark.parametrize(
    ("named", "elsewhere"),
    [
        ("dist/x.whl", False),
        ("/a/x.whl", False),
        ("vllm==0.21.0", True),
        ("https://example.org/x.whl", True),
        ("file:///a/x.whl", True),
    ],
)
def test_what_is_no_path_is_elsewhere(named: str, elsewhere: bool) -> None:
    """A path ends as wheels do."""
    assert is_elsewhere(named) is elsewhere


def test_only_the_deep_gemm_part_is_read(server: WheelServer) -> None:
    """Of a wheel with 20 MB of other things, the directory and the extensions."""
    before, after = ({f"vllm/_{name}.abi3.so": bytes(10_000_000)} for name in "az")
    write_published(server.folder, before | published_files() | after)
    judged = judge_elsewhere(server.url(NAME))
    assert judged.report.findings == ()
    assert judged.size > 20_000_000
    assert judged.fetched < 2_000_000
    assert f"{judged.fetched} of {judged.size} bytes read" in judged.line()
    assert all("bytes=" in request for request in server.requests)


def test_a_requirement_is_looked_up_on_the_configured_index(server: WheelServer) -> None:
    """No index is named anywhere in the code."""
    write_published(server.folder, published_files((12,)))
    report = judge_elsewhere("vllm==0.21.0").report
    assert "CPython 3.14" in "\n".join(str(finding) for finding in report.findings)
    assert server.requests[0] == "GET /simple/vllm/"


def test_a_wheel_in_a_folder_that_is_an_index_is_read_there(
    server: WheelServer, tmp_path: Path
) -> None:
    """pip knows file: URLs too."""
    wheel = write_published(tmp_path)
    judged = judge_elsewhere(wheel.as_uri())
    assert (judged.report.findings, judged.line()) == ((), str(wheel))


def test_a_server_without_ranges_is_an_error_that_says_what_to_do(server: WheelServer) -> None:
    """A whole download is the user's decision."""
    write_published(server.folder)
    server.ranges = False
    with pytest.raises(NoRangesError, match="download the wheel and name its path"):
        judge_elsewhere(server.url(NAME))


@pytest.mark.parametrize(
    ("named", "error"), [("nowhere.txt?", NoSourceError), ("vllm==9", NoWheelError)]
)
def test_what_is_not_there_is_an_error(
    server: WheelServer, named: str, error: type[Exception]
) -> None:
    """A name that is none, a version that the index has not."""
    with pytest.raises(error):
        judge_elsewhere(named)
    with pytest.raises(NoWheelError, match="found none"):
        judge_elsewhere(server.url("gone.whl"))


def test_the_command_judges_a_url(server: WheelServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Its exit is that of any audit; what was read is said apart from the report."""
    write_published(server.folder)
    assert check_wheel_deepgemm.main([server.url(NAME)]) == 0
    said = capsys.readouterr()
    assert "CPython 3.14  _C.cpython-314-x86_64-linux-gnu.so" in said.out
    assert "bytes read" in said.err
    with pytest.raises(WheelAuditError):
        check_wheel_deepgemm.main([server.url(NAME), "--requires-python", ">=3.9,<3.15"])


@pytest.mark.network
@pytest.mark.parametrize(("version", "code"), [("0.20.2", 24), ("0.21.0", 0)])
def test_the_wheels_that_vllm_published_are_told_apart(version: str, code: int) -> None:
    """0.20.2 has an extension for CPython 3.12 alone, 0.21.0 one for each; 4 MB of 240 are read."""
    command = [sys.executable, check_wheel_deepgemm.__file__, f"vllm=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("expected an extension for CPython 3.10" in done.stderr) is (code != 0)
    (line,) = [line for line in done.stderr.splitlines() if line.endswith("bytes read")]
    fetched, _, size = line.rpartition(": ")[2].split()[:3]
    assert int(fetched) < 4_000_000
    assert int(size) > 200_000_000
