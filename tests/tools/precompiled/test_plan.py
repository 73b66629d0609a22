"""Tests of what a checkout wants of a wheel, and why."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from tests.tools.precompiled.wheels import (
    CUTE,
    EXTENSION,
    FILES,
    INTERFACE,
    LIBRARY,
    SUFFIX,
    commit,
    git,
    make_checkout,
    make_wheel,
)
from tools.precompiled.archive import Member, read_directory
from tools.precompiled.checkout import Checkout
from tools.precompiled.errors import BadWheelError, ConflictError, GitRefusedError
from tools.precompiled.manifest import Manifest
from tools.precompiled.plan import Plan, Planner


def members_of(files: dict[str, bytes], tmp_path: Path) -> tuple[Member, ...]:
    wheel = make_wheel(tmp_path / "planned", files)
    with wheel.open("rb") as file:
        return read_directory(cast(BinaryIO, file), wheel.name).members


def plan_of(
    root: Path, tmp_path: Path, files: dict[str, bytes] | None = None, **options: object
) -> Plan:
    planner = Planner(checkout=Checkout.at(root), manifest=None, **options)  # type: ignore[arg-type]
    return planner.plan(members_of(files or dict(FILES), tmp_path), "wheel")


def verdict(plan: Plan, path: str) -> tuple[str, str]:
    decision = next(d for d in plan.decisions if d.member.path == path)
    return decision.verdict, decision.reason


def test_binaries_and_ignored_files_are_wanted_and_nothing_else(
    checkout: Path, tmp_path: Path
) -> None:
    """Git decides: what it tracks is kept out, what it ignores only a build produces."""
    plan = plan_of(checkout, tmp_path)
    assert {d.member.path for d in plan.of("wanted")} == {EXTENSION, LIBRARY, CUTE}
    assert verdict(plan, INTERFACE) == ("kept out", "source-controlled")
    assert verdict(plan, "vllm/engine.py")[1] == "neither a binary nor what a build produces here"
    assert verdict(plan, "vllm-1.0.dist-info/RECORD")[1] == "outside of the package vllm"


def test_a_tracked_file_is_kept_out_even_where_git_would_ignore_it(
    checkout: Path, tmp_path: Path
) -> None:
    """A tracked file below an ignored folder, and a tracked binary, are source files."""
    for path in (CUTE, LIBRARY):
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_text("ours")
    git(checkout, "add", "-f", CUTE, LIBRARY)
    plan = plan_of(checkout, tmp_path, replace=True)
    assert [verdict(plan, path)[1] for path in (CUTE, LIBRARY)] == ["source-controlled"] * 2


def test_patterns_select_among_what_is_wanted(checkout: Path, tmp_path: Path) -> None:
    """A pattern never brings in what the checkout does not want."""
    plan = plan_of(checkout, tmp_path, patterns=("vllm/third_party/*",))
    assert {d.member.path for d in plan.of("wanted")} == {EXTENSION, LIBRARY}
    assert verdict(plan, CUTE) == ("kept out", "not selected")


def test_without_git_a_list_of_names_protects_the_interfaces(
    checkout: Path, tmp_path: Path
) -> None:
    """An unpacked source archive keeps its FlashAttention interface and DeepGEMM face."""
    shutil.rmtree(checkout / ".git")
    plan = plan_of(checkout, tmp_path, replace=True)
    assert {d.member.path for d in plan.of("wanted")} == {EXTENSION, LIBRARY, CUTE}
    assert verdict(plan, INTERFACE)[1] == "source-controlled"


def test_a_git_that_does_not_answer_is_an_error_not_an_empty_list(checkout: Path) -> None:
    """A broken repository must not look like one that tracks nothing."""
    (checkout / ".git" / "index").write_bytes(b"broken")
    with pytest.raises(GitRefusedError, match="nothing was written"):
        Checkout.at(checkout)


def test_git_variables_of_a_hook_do_not_mislead(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIT_DIR and GIT_INDEX_FILE of another repository are not asked."""
    other = make_checkout(tmp_path / "other", {"a.txt": ""})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert INTERFACE in Checkout.at(checkout).tracked


def test_an_untracked_file_that_is_not_ours_is_a_conflict(checkout: Path, tmp_path: Path) -> None:
    """Somebody's own build is not overwritten, unless they say so."""
    (checkout / LIBRARY).write_text("built here")
    plan = plan_of(checkout, tmp_path)
    assert verdict(plan, LIBRARY) == ("conflict", "an untracked file that is not from us")
    with pytest.raises(ConflictError, match=r"libdeep_gemm\.so.*\n.*--replace"):
        plan.check()
    replaced = plan_of(checkout, tmp_path, replace=True)
    assert [d.save for d in replaced.of("wanted") if d.member.path == LIBRARY] == [True]


def test_the_same_bytes_of_another_origin_are_left_alone(checkout: Path, tmp_path: Path) -> None:
    """A file with the wheel's bytes is neither written nor taken over."""
    (checkout / LIBRARY).write_bytes(FILES[LIBRARY])
    assert verdict(plan_of(checkout, tmp_path), LIBRARY) == (
        "kept out",
        "there already, not from us",
    )


def test_a_package_never_hides_a_tracked_module(checkout: Path, tmp_path: Path) -> None:
    """Files of a package named like a tracked module stay out, with the module's name."""
    (checkout / "vllm/vllm_flash_attn/cute.py").write_text("")
    commit(checkout, "a module of ours")
    files = {**FILES, "vllm/vllm_flash_attn/cute/__init__.py": b""}
    plan = plan_of(checkout, tmp_path, files)
    hidden = "would hide a source-controlled module: vllm/vllm_flash_attn/cute.py"
    assert verdict(plan, "vllm/vllm_flash_attn/cute/__init__.py") == ("kept out", hidden)
    assert verdict(plan, CUTE) == ("kept out", hidden)


def test_an_extension_that_would_hide_a_tracked_module_is_a_conflict(
    checkout: Path, tmp_path: Path
) -> None:
    """An extension module is imported before a source file of its name."""
    path = f"vllm/vllm_flash_attn/flash_attn_interface{SUFFIX}"
    plan = plan_of(checkout, tmp_path, {path: b"x"}, replace=True)
    assert verdict(plan, path) == (
        "conflict",
        f"would hide a source-controlled module: {INTERFACE}",
    )


def test_an_init_file_does_not_turn_up_in_a_tracked_namespace_package(
    checkout: Path, tmp_path: Path
) -> None:
    """A folder of tracked modules without __init__.py stays what it is."""
    (checkout / ".gitignore").write_text("/vllm/plugins/__init__.py\n/vllm/plugins.py\n*.so\n")
    (checkout / "vllm/plugins").mkdir()
    (checkout / "vllm/plugins/one.py").write_text("")
    commit(checkout, "a namespace package")
    files = {"vllm/plugins/__init__.py": b"", "vllm/plugins.py": b"", LIBRARY: b"x"}
    plan = plan_of(checkout, tmp_path, files)
    assert {d.member.path for d in plan.of("wanted")} == {LIBRARY}


def test_bytecode_is_kept_out(checkout: Path, tmp_path: Path) -> None:
    """Bytecode would be run instead of a source file, and git ignores it too."""
    path = "vllm/__pycache__/engine.cpython-311.pyc"
    assert verdict(plan_of(checkout, tmp_path, {path: b"x"}), path) == ("kept out", "bytecode")


def test_a_path_that_differs_from_a_tracked_one_by_case_is_kept_out(
    checkout: Path, tmp_path: Path
) -> None:
    """On some file systems it would be the tracked file."""
    path = "vllm/vllm_flash_attn/Flash_Attn_Interface.py"
    (checkout / ".gitignore").write_text(f"{path}\n")
    assert "case alone" in verdict(plan_of(checkout, tmp_path, {path: b"x"}), path)[1]


@pytest.mark.parametrize("inside", [True, False])
def test_nothing_is_written_through_a_link(checkout: Path, tmp_path: Path, inside: bool) -> None:
    """A folder that is a link leads elsewhere, be it in the checkout or out of it."""
    target = checkout / "docs" if inside else tmp_path / "elsewhere"
    target.mkdir()
    (checkout / "vllm/vllm_flash_attn/cute").symlink_to(target)
    path = "vllm/vllm_flash_attn/cute/_C.abi3.so"
    plan = plan_of(checkout, tmp_path, {**FILES, path: b"x"}, replace=True)
    assert verdict(plan, path)[0] == "conflict"
    assert verdict(plan, CUTE)[0] == "kept out"


def test_a_folder_in_the_place_of_a_file_is_a_conflict(checkout: Path, tmp_path: Path) -> None:
    """A folder is never replaced."""
    (checkout / LIBRARY).mkdir()
    assert verdict(plan_of(checkout, tmp_path, replace=True), LIBRARY)[0] == "conflict"


def test_an_older_extension_that_would_be_imported_instead_is_a_conflict(
    checkout: Path, tmp_path: Path
) -> None:
    """An exact SOABI goes before abi3: a stale one must not win in silence."""
    (checkout / EXTENSION).write_bytes(b"an old build")
    path = EXTENSION.replace(SUFFIX, ".abi3.so")
    plan = plan_of(checkout, tmp_path, {path: b"new"}, replace=True)
    assert verdict(plan, path)[0] == "conflict"
    assert EXTENSION in verdict(plan, path)[1]


def test_a_submodule_is_source_controlled_as_a_whole(checkout: Path, tmp_path: Path) -> None:
    """Files below a submodule are its own."""
    inner = make_checkout(checkout / "vllm/third_party/inner", {"a.py": ""})
    sha = git(inner, "rev-parse", "HEAD").strip()
    info = f"160000,{sha},vllm/third_party/inner"
    git(checkout, "update-index", "--add", "--cacheinfo", info)
    path = "vllm/third_party/inner/_C.abi3.so"
    assert verdict(plan_of(checkout, tmp_path, {path: b"x"}), path)[1] == "source-controlled"


def test_a_wanted_member_without_a_digest_is_refused(checkout: Path, tmp_path: Path) -> None:
    """What RECORD does not vouch for is not installed."""
    wheel = make_wheel(tmp_path / "odd", record={LIBRARY: f"{LIBRARY},,"})
    with wheel.open("rb") as file:
        members = read_directory(cast(BinaryIO, file), wheel.name).members
    with pytest.raises(BadWheelError, match=r"no digest for .*libdeep_gemm\.so"):
        Planner(checkout=Checkout.at(checkout), manifest=None).plan(members, "wheel")


def test_a_path_that_became_tracked_is_no_longer_stale(checkout: Path, tmp_path: Path) -> None:
    """What git took over since the last install is not removed by the next."""
    from tools.precompiled.manifest import Installed, digest_of, stamp_of

    path = checkout / INTERFACE
    entry = Installed(path=INTERFACE, digest=digest_of(path), mode=0o644, stamp=stamp_of(path))
    manifest = Manifest(generation="1", source="", wheel="", files=(entry,))
    plan = Planner(checkout=Checkout.at(checkout), manifest=manifest).plan((), "")
    assert plan.stale == ()


def test_a_name_that_is_not_utf8_does_not_stop_git(checkout: Path, tmp_path: Path) -> None:
    """Names are bytes to git; the others are protected as ever."""
    (checkout / os.fsdecode(b"caf\xe9.txt")).touch()
    commit(checkout, "an old name")
    plan = plan_of(checkout, tmp_path)
    assert verdict(plan, INTERFACE) == ("kept out", "source-controlled")
