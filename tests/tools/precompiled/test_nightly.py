"""Tests of finding a commit's wheel in the layout of nightly wheels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.tags import Tag

from tests.tools.precompiled.server import WheelServer
from tests.tools.precompiled.wheels import commit, git
from tools.precompiled.checkout import Checkout
from tools.precompiled.errors import GitRefusedError, NoSourceError, NoWheelError, UnreachableError
from tools.precompiled.nightly import find_nightly
from tools.precompiled.source import BASE_URL, Location, Source
from tools.precompiled.store import Store
from tools.precompiled.transport import Transport

TAGS = (Tag("cp38", "abi3", "manylinux_2_24_x86_64"),)


def publish(server: WheelServer, where: str, variant: str | None = None, **more: str) -> None:
    """Publish a list of one wheel for a commit (and variant)."""
    local = f".{variant}" if variant else ""
    platform = more.get("platform", "manylinux_2_24_x86_64")
    name = f"vllm-1.dev1+gabc{local}-cp38-abi3-{platform}.whl"
    path = f"../{'../' if variant else ''}{name.replace('+', '%2B')}"
    entry = {"package_name": "vllm", "variant": variant, "filename": name, "path": path}
    folder = f"{where}/{variant}" if variant else where
    server.serve(f"{folder}/vllm/metadata.json", json.dumps([entry]).encode())


def find(
    server: WheelServer, root: Path, named: str, variant: str = "", *, offline: bool = False
) -> Location:
    source = Source(kind="commit", value=named, variant=variant, base_url=server.url())
    transport = Transport(sleep=lambda seconds: None, offline=offline)
    store = Store(root=root.parent / "cache")
    return find_nightly(source, Checkout.at(root), TAGS, transport, store)


def edit(root: Path, path: str, text: str) -> str:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return commit(root, f"edit {path}")


def test_a_commit_with_a_wheel_gets_it(server: WheelServer, checkout: Path) -> None:
    """The path in the list is relative to the list, its escapes undone in the name."""
    head = commit(checkout, "head")
    publish(server, head)
    found = find(server, checkout, head)
    name = "vllm-1.dev1+gabc-cp38-abi3-manylinux_2_24_x86_64.whl"
    assert found.filename == name
    assert found.place == server.url(f"{head}/{name.replace('+', '%2B')}")


def test_without_a_commit_head_is_meant_and_a_short_one_is_completed(
    server: WheelServer, checkout: Path
) -> None:
    """Both are this clone's commits."""
    head = commit(checkout, "head")
    publish(server, head)
    assert find(server, checkout, "").place == find(server, checkout, head[:9]).place


def test_the_word_nightly_is_accepted(server: WheelServer, checkout: Path) -> None:
    """It names the newest wheel, and the report says what that means."""
    publish(server, "nightly")
    assert "newest" in find(server, checkout, "nightly").said


def test_an_ancestor_with_the_same_native_inputs_stands_in_and_is_named(
    server: WheelServer, checkout: Path
) -> None:
    """Python-only commits share the binaries of the commit before them."""
    base = edit(checkout, "csrc/a.cu", "kernel")
    publish(server, base)
    edit(checkout, "vllm/one.py", "")
    edit(checkout, "vllm/two.py", "")
    found = find(server, checkout, "")
    assert f"/{base}/" in str(found.place)
    assert f"{base[:12]}, 2 commits before" in found.said


def test_an_ancestor_with_other_native_inputs_never_stands_in(
    server: WheelServer, checkout: Path
) -> None:
    """A kernel changed since: binaries of before would be wrong."""
    publish(server, edit(checkout, "csrc/a.cu", "kernel"))
    edit(checkout, "csrc/a.cu", "another kernel")
    edit(checkout, "vllm/one.py", "")
    with pytest.raises(NoWheelError, match=r"native inputs .* changed after"):
        find(server, checkout, "")


def test_edited_native_inputs_are_refused_unless_a_commit_is_named(
    server: WheelServer, checkout: Path
) -> None:
    """No wheel has an edit that is not committed."""
    head = edit(checkout, "csrc/a.cu", "kernel")
    publish(server, head)
    (checkout / "csrc/a.cu").write_text("edited")
    with pytest.raises(NoWheelError, match=r"csrc/a\.cu"):
        find(server, checkout, "")
    assert find(server, checkout, head)


def test_a_missing_variant_never_falls_back_to_the_default_one(
    server: WheelServer, checkout: Path
) -> None:
    """The message names the URL and the variable."""
    head = commit(checkout, "head")
    publish(server, head)
    with pytest.raises(NoWheelError, match=rf"{head}/cu129/vllm/metadata\.json.*VARIANT=cu129"):
        find(server, checkout, head, "cu129")
    publish(server, head, "cu129")
    assert "cu129" in find(server, checkout, head, "cu129").filename


def test_the_default_variant_takes_no_other_variants_wheel(
    server: WheelServer, checkout: Path
) -> None:
    """A list that mixes variants is filtered."""
    head = commit(checkout, "head")
    entry = {
        "package_name": "vllm",
        "variant": "cpu",
        "filename": "vllm-1+cpu-cp38-abi3-manylinux_2_24_x86_64.whl",
        "path": "x",
    }
    server.serve(f"{head}/vllm/metadata.json", json.dumps([entry]).encode())
    with pytest.raises(NoWheelError, match="none of this variant"):
        find(server, checkout, head)


@pytest.mark.parametrize("page", [b"<html>", b"{}", b'["x"]', b'[{"filename": "odd.whl"}]'])
def test_a_list_that_is_none_is_one_error(server: WheelServer, checkout: Path, page: bytes) -> None:
    """Some servers answer everything with a page of their own."""
    server.serve("nightly/vllm/metadata.json", page)
    with pytest.raises(NoWheelError, match=r"metadata\.json"):
        find(server, checkout, "nightly")


def test_another_platforms_wheel_is_refused(server: WheelServer, checkout: Path) -> None:
    """Tags are compared, not a part of the file name."""
    head = commit(checkout, "head")
    publish(server, head, platform="manylinux_2_24_aarch64")
    with pytest.raises(NoWheelError, match="manylinux_2_24_aarch64"):
        find(server, checkout, head)


def test_a_shallow_clone_is_told_to_deepen(
    server: WheelServer, checkout: Path, tmp_path: Path
) -> None:
    """The history ended, not the search."""
    for number in range(3):
        edit(checkout, "vllm/one.py", str(number))
    shallow = tmp_path / "shallow"
    git(checkout, "clone", "-q", "--depth=2", checkout.as_uri(), str(shallow))
    with pytest.raises(NoWheelError, match="shallow"):
        find(server, shallow, "")


def test_a_detached_head_is_a_commit_like_any_other(server: WheelServer, checkout: Path) -> None:
    """Nothing falls back to `nightly`."""
    head = commit(checkout, "head")
    git(checkout, "checkout", "-q", "--detach")
    publish(server, "nightly")
    with pytest.raises(NoWheelError):
        find(server, checkout, "")
    publish(server, head)
    assert f"/{head}/" in str(find(server, checkout, "").place)


def test_an_unknown_commit_is_named(server: WheelServer, checkout: Path) -> None:
    """A branch that is not here, and a full commit that has no wheel and is not here."""
    with pytest.raises(NoWheelError, match="git fetch"):
        find(server, checkout, "no-such-branch")
    with pytest.raises(NoWheelError, match="not in this clone"):
        find(server, checkout, "0" * 40)


def test_without_git_only_a_full_commit_or_nightly_will_do(
    server: WheelServer, checkout: Path
) -> None:
    """HEAD means nothing there."""
    (checkout / ".git").rename(checkout.parent / "moved")
    publish(server, "1" * 40)
    assert find(server, checkout, "1" * 40)
    with pytest.raises(GitRefusedError, match="40 digits"):
        find(server, checkout, "")


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"VLLM_PRECOMPILED_WHEEL_LOCATION": "dist/vllm-1-py3-none-any.whl"}, "wheel"),
        ({"VLLM_PRECOMPILED_WHEEL_LOCATION": "https://host/vllm-1-py3-none-any.whl"}, "wheel"),
        ({"VLLM_PRECOMPILED_WHEEL_LOCATION": "vllm==0.21.0"}, "requirement"),
        ({"VLLM_PRECOMPILED_WHEEL_BASE_URL": "http://host"}, "commit"),
    ],
)
def test_the_environment_names_the_source(environment: dict[str, str], kind: str) -> None:
    """A location goes before a commit; an argument goes before both."""
    assert Source.parse(None, environment).kind == kind
    assert Source.parse("vllm==1", environment).value == "vllm==1"


@pytest.mark.parametrize("environment", [{}, {"VLLM_PRECOMPILED_WHEEL_COMMIT": "nightly"}])
def test_no_source_is_one_error_that_lists_the_ways(environment: dict[str, str]) -> None:
    """Nothing is assumed."""
    with pytest.raises(NoSourceError, match="VLLM_PRECOMPILED_WHEEL_LOCATION"):
        Source.parse(None, environment)


def test_a_source_that_is_neither_of_the_three_is_refused() -> None:
    """A folder is no wheel."""
    with pytest.raises(NoSourceError, match=r"expected a wheel's path"):
        Source.parse("./dist/", {})


def test_a_base_url_of_another_scheme_is_refused() -> None:
    """Only what the transport speaks."""
    with pytest.raises(NoSourceError, match="expected an http or https URL"):
        Source.parse(None, {"VLLM_PRECOMPILED_WHEEL_BASE_URL": "s3://bucket"})


def test_a_name_of_a_commit_keeps_its_case(server: WheelServer, checkout: Path) -> None:
    """HEAD and branches are names too; only the word nightly is known in any case."""
    publish(server, commit(checkout, "head"))
    publish(server, "nightly")
    named = Source.parse(None, {"VLLM_PRECOMPILED_WHEEL_COMMIT": "HEAD", BASE_URL: server.url()})
    assert find(server, checkout, named.value).place == find(server, checkout, "").place
    assert "newest" in find(server, checkout, "Nightly").said


def test_the_own_wheel_of_a_commit_is_asked_for_once(server: WheelServer, checkout: Path) -> None:
    """It cannot become another one; a repeated install asks nobody."""
    head = commit(checkout, "head")
    publish(server, head)
    found = find(server, checkout, head)
    asked = len(server.requests)
    assert find(server, checkout, "") == found
    assert len(server.requests) == asked


@pytest.mark.parametrize("named", ["", "nightly"])
def test_what_may_change_is_remembered_for_offline_alone(
    server: WheelServer, checkout: Path, named: str
) -> None:
    """An ancestor's wheel and the newest one are asked for again, unless nobody can be."""
    publish(server, edit(checkout, "csrc/a.cu", "kernel"))
    publish(server, "nightly")
    edit(checkout, "vllm/one.py", "")
    with pytest.raises(UnreachableError, match="--offline"):
        find(server, checkout, named, offline=True)
    found = find(server, checkout, named)
    asked = len(server.requests)
    assert find(server, checkout, named, offline=True) == found
    assert len(server.requests) == asked
    find(server, checkout, named)
    assert len(server.requests) > asked


def test_a_file_that_is_no_wheel_is_no_requirement(tmp_path: Path) -> None:
    """No index is asked for `README.md`, which is spelled like a distribution."""
    other = tmp_path / "README.md"
    other.write_text("")
    with pytest.raises(NoSourceError, match=r"README.md: expected a wheel's path .*another file"):
        Source.parse(str(other), {})
