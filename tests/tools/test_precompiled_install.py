"""Tests of the composition: real libraries, the command line, and setup.py's entry."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.precompiled.wheels import (
    EXTENSION,
    LIBRARY,
    commit,
    make_checkout,
    make_wheel,
    sources_of,
)
from tools import precompiled_install
from tools.errors import ToolError
from tools.precompiled.command_line import run
from tools.precompiled.errors import ConflictError, DamagedError, IncompatibleError
from tools.precompiled_install import (
    extract_precompiled_and_patch_package,
    is_wanted,
    precompiled_version,
    read_library,
)

# Stands for torch's library: the newer one has lost a symbol of the older.
C10 = "namespace c10 { int kept() { return 1; } %s }"
USER = "namespace c10 { int kept(); int gone(); } int user() { return c10::kept() + c10::gone(); }"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extension that needs a symbol, a torch that has it and one that does not."""
    folder = tmp_path_factory.mktemp("libraries")
    for name, source in (("old", C10 % "int gone() { return 2; }"), ("new", C10 % "")):
        (folder / name).mkdir()
        _compile(folder / name / "libc10.so", source)
    _compile(folder / "user.so", USER, f"-L{folder / 'old'}", "-lc10")
    return folder


@pytest.fixture
def wheel(libraries: Path, tmp_path: Path) -> Path:
    """A wheel with that extension."""
    data = (libraries / "user.so").read_bytes()
    return make_wheel(tmp_path / "wheels", {EXTENSION: data, LIBRARY: data})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a cache of its own, and no torch but the one that a test installs."""
    monkeypatch.setenv("VLLM_PRECOMPILED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tools.precompiled.compatibility.Torch.installed", lambda: None)
    return make_checkout(tmp_path / "checkout")


def _compile(target: Path, source: str, *options: str) -> None:
    command = ["g++", "-shared", "-fPIC", "-x", "c++", "-", "-o", str(target), *options]
    subprocess.run(command, input=source, text=True, check=True)


def install_torch(
    libraries: Path, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make the interpreter find a torch with this library, version by name."""
    from tools.precompiled.compatibility import Torch

    library = libraries / name / "libc10.so"
    torch = Torch(version="2.11.0", cuda="12.9", libraries={library.name: library})
    monkeypatch.setattr("tools.precompiled.compatibility.Torch.installed", lambda: torch)


def test_a_library_is_read_with_its_needs_and_names(libraries: Path) -> None:
    """Needed libraries, undefined and defined symbols, machine and glibc, of real ELF files."""
    found = read_library(libraries / "user.so")
    assert "libc10.so" in found.needed
    assert {"_ZN3c104keptEv", "_ZN3c104goneEv"} <= found.undefined
    assert "_Z4userv" in found.defined
    assert found.machine in {"x86_64", "aarch64"}


def test_a_glibc_version_is_read_from_what_a_library_needs(tmp_path: Path) -> None:
    """A call into libc binds to a version of it."""
    source = '#include <cstdlib>\nint f() { return atoi(getenv("A")); }'
    _compile(tmp_path / "libc_user.so", source)
    assert read_library(tmp_path / "libc_user.so").glibc >= (2, 0)


def test_an_extension_that_lacks_a_symbol_of_the_installed_torch_is_refused(
    checkout: Path, wheel: Path, libraries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before the write with symbol and library; with the torch that has it, installed."""
    install_torch(libraries, "new", tmp_path, monkeypatch)
    with pytest.raises(IncompatibleError, match=r"_ZN3c104goneEv.*libc10\.so.*torch 2\.11\.0"):
        run(["install", str(wheel), "--checkout", str(checkout)], checkout, read_library)
    assert not (checkout / EXTENSION).exists()
    install_torch(libraries, "old", tmp_path, monkeypatch)
    assert run(["install", str(wheel), "--checkout", str(checkout)], checkout, read_library) == 0
    install_torch(libraries, "new", tmp_path, monkeypatch)
    with pytest.raises(DamagedError, match="_ZN3c104goneEv"):
        run(["verify", "--checkout", str(checkout)], checkout, read_library)


def test_a_file_that_is_no_library_is_refused(checkout: Path, tmp_path: Path) -> None:
    """A text named .so is found out by its bytes."""
    wheel = make_wheel(tmp_path / "text", {LIBRARY: b"not a library"})
    with pytest.raises(IncompatibleError, match=r"libdeep_gemm\.so: expected an ELF file"):
        run(["install", str(wheel), "--checkout", str(checkout)], checkout, read_library)


def test_the_command_line_reports_in_json(
    checkout: Path, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """plan, install, status, verify and remove each print one JSON value."""

    def said(*arguments: str) -> dict[str, object]:
        command = [*arguments, "--json", "--checkout", str(checkout)]
        assert run(command, checkout, read_library) == 0
        value = json.loads(capsys.readouterr().out)
        assert isinstance(value, dict)
        return value

    before = sources_of(checkout)
    members = said("plan", str(wheel))["members"]
    assert isinstance(members, list)
    assert [m["path"] for m in members if m["verdict"] == "wanted"] == [EXTENSION, LIBRARY]
    assert said("status") == {"interrupted": False, "installed": False}
    assert said("install", str(wheel), "--dry-run")["wheel"] == wheel.name
    assert not (checkout / EXTENSION).exists()
    assert said("install", str(wheel))["written"] == [EXTENSION, LIBRARY]
    assert said("status")["changed"] == []
    assert said("verify") == {"installed": True, "findings": []}
    assert said("remove")["removed"] == [EXTENSION, LIBRARY]
    assert said("status")["installed"] is False
    assert sources_of(checkout) == before


def test_the_command_line_speaks_plainly(
    checkout: Path, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json each command says in words what it found or did."""
    for command, words in [
        (["status"], "nothing is installed"),
        (["plan", str(wheel)], f"wanted: {EXTENSION}: new"),
        (["install", str(wheel)], "2 written"),
        (["status"], "2 files"),
        (["verify"], "ok: 2 files"),
        (["remove"], "2 removed"),
        (["remove"], "nothing is installed"),
    ]:
        assert run([*command, "--checkout", str(checkout)], checkout, read_library) == 0
        assert words in capsys.readouterr().out


@pytest.mark.parametrize("command", ["status", "verify", "remove"])
def test_a_checkout_that_is_not_there_is_an_error(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped folder is not one where nothing is installed."""
    with pytest.raises(SystemExit, match="2"):
        run([command, "--checkout", str(tmp_path / "nowhere")], tmp_path, read_library)
    assert "nowhere: expected a folder" in capsys.readouterr().err


def test_the_package_runs_as_a_module(checkout: Path) -> None:
    """`python -m tools.precompiled` is the command, and an error is one line and its exit code."""
    root = Path(precompiled_install.__file__).parents[1]
    command = [sys.executable, "-m", "tools.precompiled"]
    options = ["--checkout", str(checkout)]
    done = subprocess.run(
        [*command, "status", *options], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "nothing is installed\n")
    named = ["/nowhere/vllm-1-py3-none-any.whl", *options]
    done = subprocess.run(
        [*command, "plan", *named], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 41
    assert done.stderr.startswith("error: /nowhere/vllm-1-py3-none-any.whl: expected a wheel")


def test_members_narrow_the_install(checkout: Path, wheel: Path) -> None:
    """A pattern of paths selects."""
    options = ["--members", "*libdeep*", "--checkout", str(checkout)]
    run(["install", str(wheel), *options], checkout, read_library)
    assert (checkout / LIBRARY).exists()
    assert not (checkout / EXTENSION).exists()


def test_setup_gets_its_package_data(
    checkout: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The entry installs into the checkout and returns the files by package."""
    monkeypatch.setattr(precompiled_install, "ROOT", checkout)
    monkeypatch.setenv("VLLM_PRECOMPILED_WHEEL_LOCATION", str(wheel))
    data = extract_precompiled_and_patch_package(None)
    names = [Path(EXTENSION).name, Path(LIBRARY).name]
    assert data == {"vllm.third_party.deep_gemm": names}
    assert "2 written" in capsys.readouterr().err
    assert extract_precompiled_and_patch_package(str(wheel)) == data


def test_setup_is_told_by_the_environment(
    checkout: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members and --replace have variables: setup.py has no other arguments."""
    monkeypatch.setattr(precompiled_install, "ROOT", checkout)
    monkeypatch.setenv("VLLM_PRECOMPILED_MEMBERS", "*libdeep*, */cute/*")
    (checkout / LIBRARY).write_text("built here")
    with pytest.raises(ConflictError):
        extract_precompiled_and_patch_package(str(wheel))
    monkeypatch.setenv("VLLM_PRECOMPILED_REPLACE", "1")
    data = extract_precompiled_and_patch_package(str(wheel))
    assert data == {"vllm.third_party.deep_gemm": [Path(LIBRARY).name]}


def test_a_long_download_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each 16 MiB, with what is expected where that is known."""
    progress = precompiled_install.ProgressLines()
    progress.advance(1 << 20)
    progress.expect(40 << 20)
    for _ in range(40):
        progress.advance(1 << 20)
    assert capsys.readouterr().err == "fetched 16 of 40 MiB\nfetched 32 of 40 MiB\n"


@pytest.mark.parametrize(
    ("value", "wanted"), [("1", True), ("true", True), ("0", False), ("", False)]
)
def test_the_switch_is_read_as_people_write_it(
    value: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VLLM_USE_PRECOMPILED=0 means no."""
    monkeypatch.setenv("VLLM_USE_PRECOMPILED", value)
    assert is_wanted() is wanted


def test_the_version_says_that_its_binaries_are_precompiled() -> None:
    """The local suffix is `precompiled`, after another one where there is one."""
    assert precompiled_version("0.1.0") == "0.1.0+precompiled"
    assert precompiled_version("0.1.0+cu129") == "0.1.0+cu129.precompiled"


def test_each_decision_has_its_own_exit_code() -> None:
    """Scripts can tell the errors apart."""
    from tools.precompiled import errors

    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ToolError) and kind is not ToolError
    ]
    codes = [kind.exit_code for kind in kinds]
    assert len(codes) >= 9
    assert len(set(codes)) == len(codes)


@pytest.mark.network
def test_the_published_deep_gemm_extensions_cost_under_4_mb(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """vllm 0.21.0 through the configured index: five extensions, then nothing more to fetch."""
    (checkout / ".gitignore").write_text("/vllm/**/*.so\n")
    commit(checkout, "binaries are ignored")
    command = [
        *("install", "vllm==0.21.0", "--members", "vllm/third_party/deep_gemm/*"),
        *("--json", "--checkout", str(checkout)),
    ]
    assert run(command, checkout, read_library) == 0
    first = json.loads(capsys.readouterr().out)
    assert len(first["written"]) == 5
    assert 2_000_000 < first["fetched"] < 4_000_000
    assert run([*command, "--offline"], checkout, read_library) == 0
    assert json.loads(capsys.readouterr().out)["fetched"] == 0
