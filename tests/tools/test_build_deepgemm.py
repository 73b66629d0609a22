"""The main job: its plan, and that nothing is published before everything held."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cmake.upstream import write_torch, write_upstream
from tools import build_deepgemm, console
from tools.build_deepgemm import (
    StandaloneRefusedError,
    WheelBuildError,
    build,
    check,
    import_in_each,
    main,
    make_plan,
    parse,
)
from tools.errors import ToolError
from tools.interpreters.uv import find_uv
from tools.upstream.checkout import NoUpstreamError
from tools.upstream.pinned import read_pin
from tools.upstream.torch import Torch
from tools.wheel.import_check import ImportRow
from tools.wheel.platform_tag import PlatformTooNewError
from tools.wheel.policy import OURS, UPSTREAM
from tools.wheel.publish import OutRefusedError

FAKE_UV = """\
#!/bin/sh
[ "$1" = build ] || exec '{real}' "$@"
# As `uv build`: writes a wheel into the folder after --out-dir, and says what it was told.
while [ "$1" != --out-dir ]; do shift; done
echo "interpreters=$DEEPGEMM_PYTHON_INTERPRETERS jobs=$CMAKE_BUILD_PARALLEL_LEVEL" >> {log}
echo "source=$DEEPGEMM_SRC_DIR torch=$DEEPGEMM_TORCH" >> {log}
[ {wheels} = 0 ] || echo {content} > "$2/vllm_deepgemm-0.1.0-cp310-abi3-linux_x86_64.whl"
exit {code}
"""


class Passed(list[object]):
    """What an audit returns that found nothing."""

    def raise_for_findings(self) -> None:
        """Find nothing."""


def fake_uv(folder: Path, *, code: int = 0, wheels: int = 1) -> dict[str, str]:
    """An environment whose uv builds a file that is no wheel."""
    uv = folder / "uv"
    real, log = find_uv(os.environ), folder / "log"
    uv.write_text(FAKE_UV.format(real=real, log=log, wheels=wheels, content="none", code=code))
    uv.chmod(0o755)
    return {**os.environ, "UV": str(uv), "UV_OFFLINE": "1"}


def test_the_plan_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--dry-run prints interpreters, command and goal; as JSON it is data."""
    monkeypatch.setattr(build_deepgemm, "BUILD", tmp_path / "build")
    out = str(tmp_path / "dist")
    arguments = ["--out", out, "--jobs", "3", "--dry-run"]
    assert main(arguments, fake_uv(tmp_path)) == 0
    assert f"publish   {out}" in capsys.readouterr().out
    assert main([*arguments, "--json"], fake_uv(tmp_path)) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["out"], plan["jobs"], plan["strict"]) == (out, 3, False)
    assert plan["command"][1:3] == ["build", "--wheel"]
    assert {file.name for file in tmp_path.iterdir()} == {"uv"}


def test_the_plan_names_the_second_wheel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text and as data."""
    monkeypatch.setattr(build_deepgemm, "BUILD", tmp_path / "build")
    assert main(["--standalone", "--dry-run"], fake_uv(tmp_path)) == 0
    assert "pack      deep-gemm-hopper\n" in capsys.readouterr().out
    assert main(["--standalone", "--dry-run", "--json"], fake_uv(tmp_path)) == 0
    assert json.loads(capsys.readouterr().out)["standalone"] is True


def test_an_upstream_checkout_is_not_packed_a_second_time(tmp_path: Path) -> None:
    """Refused before anything is read of it, by the option as by the environment."""
    environ = {**fake_uv(tmp_path), "DEEPGEMM_SRC_DIR": str(tmp_path)}
    with pytest.raises(StandaloneRefusedError, match="expected our own sources"):
        main(["--standalone", "--dry-run"], environ)


@pytest.mark.parametrize("strict", [False, True])
def test_only_a_release_is_held_to_an_old_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict: bool
) -> None:
    """A wheel for this machine may ask for its glibc; with --strict it may not."""
    monkeypatch.setattr(build_deepgemm, "audit_wheel", lambda *_, **__: Passed())
    monkeypatch.setattr(build_deepgemm, "check_imports", lambda *_, **__: ())
    plan = make_plan(parse(["--strict"] if strict else []), fake_uv(tmp_path))
    wheel = tmp_path / "vllm_deepgemm-0.1.0-cp310-abi3-manylinux_2_35_x86_64.whl"
    if not strict:
        assert check(wheel, OURS, (), plan) == ()
        return
    with pytest.raises(PlatformTooNewError):
        check(wheel, OURS, (), plan)


@pytest.mark.parametrize("passing", ["audit_wheel", "check_imports"])
def test_a_wheel_that_fails_an_audit_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passing: str
) -> None:
    """The folder of finished wheels only ever holds wheels that held."""
    monkeypatch.setattr(build_deepgemm, "BUILD", tmp_path / "build")
    monkeypatch.setattr(build_deepgemm, "TIMELINE", build_deepgemm.ROOT / "build" / "none.svg")
    monkeypatch.setattr(build_deepgemm, passing, lambda *_, **__: Passed())
    out = tmp_path / "dist"
    with pytest.raises(ToolError):
        main(["--out", str(out)], fake_uv(tmp_path))
    assert (tmp_path / "log").read_text().startswith("interpreters=/")
    assert not out.exists()
    assert not list((tmp_path / "build").glob("wheel-*"))


@pytest.mark.parametrize(("code", "wheels"), [(1, 0), (1, 1), (0, 0)])
def test_a_build_that_fails_names_its_command(tmp_path: Path, code: int, wheels: int) -> None:
    """A non-zero end is a failure even with a wheel, no wheel even with an end of zero."""
    environ = fake_uv(tmp_path, code=code, wheels=wheels)
    plan = make_plan(parse(["--jobs", "2"]), environ)
    with pytest.raises(WheelBuildError, match=f"found exit code {code} and {wheels} wheels"):
        build(plan, (), tmp_path, environ)
    assert (tmp_path / "log").read_text() == "interpreters= jobs=2\nsource= torch=\n"


def test_jobs_below_one_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the value."""
    with pytest.raises(SystemExit):
        parse(["--jobs", "0"])
    assert "--jobs 0: expected 1 or more" in capsys.readouterr().err


def test_a_build_without_steps_draws_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture stays that of the last build that compiled something."""
    monkeypatch.setattr(build_deepgemm, "BUILD", tmp_path)
    monkeypatch.setattr(build_deepgemm, "TIMELINE", tmp_path / "timeline.svg")
    (tmp_path / "cmake").mkdir()
    (tmp_path / "cmake" / ".ninja_log").write_text("# ninja log v7\n0\t9\t50\ta.cubin\taa\n")
    build_deepgemm.draw_timeline(started_ns=50)
    drawn = (tmp_path / "timeline.svg").read_text()
    assert "1 steps" in drawn
    with pytest.raises(console.Skip):
        build_deepgemm.draw_timeline(started_ns=51)
    assert (tmp_path / "timeline.svg").read_text() == drawn


def test_a_folder_that_cannot_be_written_is_refused_before_the_build(tmp_path: Path) -> None:
    """A plan already says so: here a file stands where a folder would have to be."""
    (tmp_path / "file").touch()
    environ = fake_uv(tmp_path)
    with pytest.raises(OutRefusedError, match=f"found a file at {tmp_path}/file"):
        main(["--out", str(tmp_path / "file" / "dist")], environ)
    assert not (tmp_path / "log").exists()


def test_a_checkout_and_its_torch_are_handed_to_the_build(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By option or environment; the plan names both, and the option goes first."""
    source, torch = write_upstream(tmp_path / "DeepGEMM"), write_torch(tmp_path / "torch")
    environ = fake_uv(tmp_path) | {"DEEPGEMM_TORCH": str(torch), "DEEPGEMM_SRC_DIR": str(source)}
    plan = make_plan(parse([]), environ)
    assert plan == make_plan(parse(["--source", str(source)]), environ)
    build(plan, (), tmp_path, fake_uv(tmp_path))
    assert f"source={source} torch={torch}\n" in (tmp_path / "log").read_text()
    assert main(["--dry-run"], environ) == 0
    assert f"source    {source}\ntorch     {torch}" in capfd.readouterr().out
    with pytest.raises(NoUpstreamError):
        make_plan(parse(["--source", str(tmp_path)]), environ)


def test_the_pinned_commit_is_fetched_when_the_plan_is_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run asks no network; what was fetched is what is built."""
    monkeypatch.setattr(build_deepgemm, "BUILD", tmp_path / "build")
    environ = fake_uv(tmp_path, code=1) | {"DEEPGEMM_TORCH": str(write_torch(tmp_path / "torch"))}
    assert main(["--source", "upstream", "--dry-run"], environ) == 0
    folders = []

    def fetch(folder: Path, pin: tuple[str, str]) -> Path:
        folders.append(folder)
        return folder / pin[1]

    monkeypatch.setattr(build_deepgemm, "fetch_pinned", fetch)
    with pytest.raises(WheelBuildError):
        main(["--source", "upstream", "--out", str(tmp_path / "dist")], environ)
    assert folders == [tmp_path / "build" / "upstream"]
    assert f"source={folders[0] / read_pin()[1]} " in (tmp_path / "log").read_text()


def test_an_upstream_wheel_is_imported_where_its_torch_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are named; nothing claims that they were tried."""
    found = make_plan(parse([]), fake_uv(tmp_path)).interpreters.found.found
    first, rest = found[0], [each.series for each in found[1:]]
    folder = write_torch(tmp_path / "site-packages" / "torch")
    (folder / f"_C{first.ext_suffix}").touch()
    asked = []

    def check(wheel: Path, paths: list[Path], **options: object) -> tuple[ImportRow, ...]:
        asked.append((paths, options))
        return ()

    monkeypatch.setattr(build_deepgemm, "check_imports", check)
    import_in_each(tmp_path / "x.whl", found, Torch.read(folder))
    assert asked == [([first.executable], {"policy": UPSTREAM, "beside": folder.parent})]
    assert f"not imported under {', '.join(rest)}" in capsys.readouterr().err
    (folder / f"_C{first.ext_suffix}").unlink()
    assert import_in_each(tmp_path / "x.whl", found, Torch.read(folder)) == ()
    assert len(asked) == 1
