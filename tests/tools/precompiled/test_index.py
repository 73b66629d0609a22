"""Tests of finding a requirement's wheel on the configured package index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag

from tests.tools.precompiled.server import WheelServer
from tools.precompiled import index_settings
from tools.precompiled.errors import NoWheelError, UnreachableError
from tools.precompiled.index import Offer, choose, find_on_index, parse_page
from tools.precompiled.source import Location
from tools.precompiled.store import Store
from tools.precompiled.transport import Transport

TAGS = (
    Tag("cp311", "cp311", "manylinux_2_28_x86_64"),
    Tag("cp38", "abi3", "manylinux_2_24_x86_64"),
    Tag("py3", "none", "any"),
)
PAGE = """<!DOCTYPE html><a href="../files/vllm-0.20.0-cp38-abi3-manylinux_2_24_x86_64.whl">a</a>
<a href="../files/vllm-0.21.0-cp38-abi3-manylinux_2_24_x86_64.whl#sha256=aa"
   data-requires-python="&lt;3.15,&gt;=3.10">b</a>
<a href="../files/vllm-0.21.0-1-cp38-abi3-manylinux_2_24_x86_64.whl#sha256=bb">c</a>
<a href="../files/vllm-0.21.0-cp38-abi3-manylinux_2_24_aarch64.whl#sha256=cc">d</a>
<a href="../files/vllm-0.21.0.tar.gz#sha256=dd">e</a>
<a href="../files/vllm-0.22.0rc1-cp38-abi3-manylinux_2_24_x86_64.whl">f</a>
<a href="../files/vllm-0.21.1-cp38-abi3-manylinux_2_24_x86_64.whl" data-yanked="broken">g</a>
"""


def offer(name: str, **changes: object) -> Offer:
    fields = {"url": name, "digest": "", "requires_python": "", "yanked": False}
    return Offer(filename=name, **(fields | changes))  # type: ignore[arg-type]


def find(server: WheelServer, store: Store, text: str, transport: Transport) -> Location:
    return find_on_index(text, [server.url("simple")], TAGS, transport, store)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty cache."""
    return Store(root=tmp_path / "cache")


def test_the_newest_build_of_the_pinned_version_is_chosen(
    server: WheelServer, store: Store
) -> None:
    """The build number decides between files of one version; link and digest come along."""
    server.serve("simple/vllm/index.html", PAGE.encode())
    found = find(server, store, "vllm==0.21.0", Transport())
    assert found.filename == "vllm-0.21.0-1-cp38-abi3-manylinux_2_24_x86_64.whl"
    assert found.digest == "bb"
    assert found.place == server.url(f"simple/files/{found.filename}")


def test_an_open_requirement_takes_no_prerelease_and_nothing_yanked(
    server: WheelServer, store: Store
) -> None:
    """Only a pin asks for those."""
    server.serve("simple/vllm/index.html", PAGE.encode())
    assert "0.21.0-1" in find(server, store, "vllm>=0.20", Transport()).filename
    assert "0.22.0rc1" in find(server, store, "vllm==0.22.0rc1", Transport()).filename
    assert "0.21.1" in find(server, store, "vllm==0.21.1", Transport()).filename


def test_a_pin_is_remembered_and_an_open_requirement_only_offline(
    server: WheelServer, store: Store
) -> None:
    """The second lookup of a pin asks nobody; offline, what was found last stands."""
    server.serve("simple/vllm/index.html", PAGE.encode())
    pinned = find(server, store, "vllm==0.21.0", Transport())
    opened = find(server, store, "vllm>=0.20", Transport())
    asked = len(server.requests)
    assert find(server, store, "vllm==0.21.0", Transport()) == pinned
    assert find(server, store, "vllm>=0.20", Transport(offline=True)) == opened
    assert len(server.requests) == asked
    find(server, store, "vllm>=0.20", Transport())
    assert len(server.requests) == asked + 1


def test_offline_names_a_requirement_that_was_never_resolved(
    server: WheelServer, store: Store
) -> None:
    """One error, before a connection."""
    with pytest.raises(UnreachableError, match=r"vllm==0\.21\.0"):
        find(server, store, "vllm==0.21.0", Transport(offline=True))


def test_what_is_not_there_is_said_with_what_is(server: WheelServer, store: Store) -> None:
    """Another platform's files, or the versions that exist, help to mend the requirement."""
    server.serve("simple/vllm/index.html", PAGE.encode())
    with pytest.raises(NoWheelError, match=r"versions there: .*0\.21\.0"):
        find(server, store, "vllm==9.9", Transport())
    with pytest.raises(NoWheelError, match="none"):
        find(server, store, "absent==1", Transport())
    with pytest.raises(NoWheelError, match="aarch64"):
        find_on_index("vllm==0.21.0", [server.url("simple")], TAGS[2:], Transport(), store)


def test_a_json_page_is_read_like_an_html_page() -> None:
    """PEP 691: the same facts in another form."""
    file = {
        "filename": "vllm-1-py3-none-any.whl",
        "url": "vllm-1-py3-none-any.whl",
        "hashes": {"sha256": "ab"},
        "requires-python": ">=3.10",
        "yanked": False,
    }
    page = json.dumps({"files": [file]}).encode()
    assert parse_page(page, "http://127.0.0.1/simple/vllm/") == [
        offer(
            "vllm-1-py3-none-any.whl",
            url="http://127.0.0.1/simple/vllm/vllm-1-py3-none-any.whl",
            digest="ab",
            requires_python=">=3.10",
        )
    ]


def test_an_interpreter_outside_of_requires_python_is_not_offered() -> None:
    """The file's own bound is respected."""
    found = choose(
        [offer("vllm-2-py3-none-any.whl", requires_python="<3"), offer("vllm-1-py3-none-any.whl")],
        Requirement("vllm"),
        TAGS,
    )
    assert found is not None
    assert found.filename == "vllm-1-py3-none-any.whl"


def test_a_folder_is_an_index_too(tmp_path: Path, store: Store) -> None:
    """pip accepts file: indexes, with a page or a bare folder of wheels."""
    (tmp_path / "simple" / "vllm").mkdir(parents=True)
    wheel = tmp_path / "simple" / "vllm" / "vllm-1-py3-none-any.whl"
    wheel.touch()
    for index in ((tmp_path / "simple").as_uri(), str(tmp_path / "simple")):
        assert find_on_index("vllm==1", [index], TAGS, Transport(), store).place == wheel


@pytest.mark.parametrize("page", [b"{", b'{"files": 1}', b'{"files": [{}]}'])
def test_a_page_that_is_none_is_one_error(server: WheelServer, store: Store, page: bytes) -> None:
    """A broken page is named with its URL."""
    server.serve("simple/vllm/index.html", page)
    with pytest.raises(UnreachableError, match=r"simple/vllm/: expected a project page"):
        find(server, store, "vllm==1", Transport())


def test_without_settings_the_tool_is_asked_for_its_own_default(
    server: WheelServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No index is named in the code: the tool's help says which one it uses."""
    server.serve("simple/vllm/index.html", PAGE.encode())
    text = f"  --index-url <url>  Base URL (default\n      {server.url('simple')}). This should"
    monkeypatch.setattr(index_settings, "_said", lambda command, *rest: text)
    assert find_on_index("vllm==0.21.0", [""], TAGS, Transport(), store).digest == "bb"
    monkeypatch.setattr(index_settings, "_said", lambda command, *rest: "")
    with pytest.raises(UnreachableError, match="UV_DEFAULT_INDEX or PIP_INDEX_URL"):
        find_on_index("vllm==0.20.0", [""], TAGS, Transport(), store)


def test_a_link_with_a_password_is_not_remembered(server: WheelServer, store: Store) -> None:
    """The cache holds no secret; the pin is looked up again."""
    server.serve("simple/vllm/index.html", PAGE.encode())
    url = f"http://user:secret@{server.address}/simple"
    for _ in range(2):
        find_on_index("vllm==0.21.0", [url], TAGS, Transport(), store)
    assert len(server.requests) == 2
    assert list(store.root.rglob("*.json")) == []
