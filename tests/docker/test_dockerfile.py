"""The release image, as far as it can be held without a container engine.

Its RUN steps are run in a scratch folder that stands for the image's root; what that leaves out is
skipped with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docker.dockerfile import Instruction, Stage, parse
from tests.tools.wheel.little_wheels import built_files, write_wheel
from tools.build_deepgemm import parse as parse_build
from tools.interpreters.probe import find_base
from tools.wheel.standalone import make_standalone

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
BAKE = (ROOT / "docker-bake.hcl").read_text()
ARGUMENTS, STAGES = parse(DOCKERFILE)
BY_NAME = {stage.name: stage for stage in STAGES}
STEPS = [(stage, step) for stage in STAGES for step in stage.named("RUN")]
# Paths of the image that a scratch folder stands for.
FOLDERS = ("/opt/python", "/home/builder", "/wheels", "/src")


def workdir() -> str:
    (found,) = BY_NAME["build"].named("WORKDIR")
    return found.text


def words(step: Instruction) -> str:
    return step.text.split()[0]


def in_scratch(step: Instruction, root: Path, *programs: Path) -> subprocess.CompletedProcess[str]:
    """Run a step's command with the image's folders below `root`."""
    command = step.text
    for folder in FOLDERS:
        (root / folder[1:]).mkdir(parents=True, exist_ok=True)
        command = re.sub(rf"(?<![\w.]){folder}(?=[/\s])", str(root / folder[1:]), f"{command} ")
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=root / "src",
        env={**os.environ, "HOME": str(root / "home/builder"), "PATH": path, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_step_is_run_or_left_out_with_a_reason() -> None:
    """A step that is new here needs an answer here."""
    assert [words(step) for _, step in STEPS] == ["useradd", "uvx", "for"]


def test_the_user_is_made_by_root_alone() -> None:
    """It is the one step that a scratch folder cannot show."""
    ((stage, step),) = [each for each in STEPS if words(each[1]) == "useradd"]
    assert stage.name == "base"
    assert step.text.startswith("useradd --create-home --uid 1000 builder && ")
    # WORKDIR alone would leave the folder to root.
    assert step.text.endswith(f" && install --directory --owner=builder {workdir()}")
    pytest.skip("left out: useradd needs root and an image of its own")


def test_the_build_step_is_a_command_that_the_checkout_knows(tmp_path: Path) -> None:
    """uvx is a stand-in that starts the session's tool with --dry-run; the plan is the real one.

    Left out: nox's environment, and --strict's verdict, which needs the image's glibc.
    """
    (step,) = BY_NAME["build"].named("RUN")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    stand_in = bin_folder / "uvx"
    stand_in.write_text(
        "#!/bin/sh\n"
        '[ "$1 $2 $3 $4" = "nox -s build_deepgemm --" ] || exit 9\n'
        f"shift 4; cd {shlex.quote(str(ROOT))} || exit 9\n"
        f'exec {sys.executable} -m tools.build_deepgemm "$@" --dry-run\n'
    )
    stand_in.chmod(0o755)
    done = in_scratch(step, tmp_path / "image", bin_folder)
    assert done.returncode == 0, done.stderr
    assert f"publish   {tmp_path}/image/src/dist\n" in done.stdout
    assert "pack      deep-gemm-hopper\n" in done.stdout
    options = parse_build(shlex.split(step.text.partition(" -- ")[2]))
    assert (options.strict, options.standalone) == (True, True)


def interpreter(root: Path, tag: str, command: str) -> None:
    """Put one where the image has them."""
    python = root / "opt/python" / f"{tag}-{tag}" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{command}\n")
    python.chmod(0o755)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A scratch root with one interpreter where the image has all, and both wheels."""
    root = tmp_path / "image"
    base = Path(find_base(sys.executable)).resolve()
    interpreter(root, "cp314", f'exec {base} "$@"')
    (root / "wheels").mkdir()
    wheel = write_wheel(root / "wheels", built_files())
    make_standalone(wheel, root / "wheels", "")
    return root


def test_the_check_step_installs_and_imports_both_wheels(image: Path) -> None:
    """As written, with one interpreter; the image's other ones are left out here."""
    (step,) = BY_NAME["check"].named("RUN")
    done = in_scratch(step, image)
    assert done.returncode == 0, done.stderr
    assert "'cubins': " in done.stdout
    assert str(image / "home/builder/check") in done.stdout


def test_the_check_step_fails_where_a_wheel_does_not_import(image: Path) -> None:
    """The loop does not go on after the first that fails."""
    (second,) = (image / "wheels").glob("deep_gemm_hopper-*.whl")
    second.unlink()
    (step,) = BY_NAME["check"].named("RUN")
    done = in_scratch(step, image)
    assert done.returncode == 1
    assert "No module named 'deep_gemm'" in done.stderr


def test_the_check_step_fails_with_the_first_interpreter_that_does(image: Path) -> None:
    """A later one that is well does not make up for it."""
    interpreter(image, "cp310", "exit 3")
    (step,) = BY_NAME["check"].named("RUN")
    assert in_scratch(step, image).returncode == 1


def test_stages_lead_from_the_pinned_image_to_wheels_alone() -> None:
    """The base has a digest; nothing but checked wheels is in the last stage."""
    assert re.fullmatch(
        r"\S+/manylinux_2_28_x86_64:\S+@sha256:[0-9a-f]{64}", ARGUMENTS["MANYLINUX"]
    )
    assert {name: stage.base for name, stage in BY_NAME.items()} == {
        "base": "${MANYLINUX}",
        "build": "base",
        "check": "base",
        "wheels": "scratch",
    }
    assert [each.name for each in STAGES[-1].instructions] == ["COPY"]
    assert "--from=check" in STAGES[-1].instructions[0].flags


def user_at(stage: Stage, step: Instruction) -> str:
    """Return who runs a step: the last USER before it, of its own stage or of the one below."""
    below = BY_NAME.get(stage.base)
    user = "root" if below is None else user_at(below, below.instructions[-1])
    for each in stage.instructions:
        user = each.text if each.name == "USER" else user
        if each is step:
            break
    return user


def test_no_step_but_the_first_runs_as_root() -> None:
    """What compiles and what imports foreign code is a plain user's process."""
    assert {words(step): user_at(stage, step) for stage, step in STEPS} == {
        "useradd": "root",
        "uvx": "builder",
        "for": "builder",
    }


def test_caches_belong_to_the_user_who_fills_them() -> None:
    """A cache mount is root's unless it says whose it is."""
    mounts = [flag for _, step in STEPS for flag in step.flags]
    assert mounts
    for mount in mounts:
        assert mount.startswith("--mount=type=cache,target=/home/builder/")
        assert mount.endswith(",uid=1000,gid=1000")


def test_what_is_copied_is_there() -> None:
    """From the checkout or from an earlier stage that makes it."""
    names = [stage.name for stage in STAGES]
    for at, stage in enumerate(STAGES):
        for copy in stage.named("COPY"):
            source = copy.text.split()[0]
            origins = [flag[7:] for flag in copy.flags if flag.startswith("--from=")]
            if origins:
                assert origins[0] in names[:at]
            else:
                assert (ROOT / source).exists()


def test_bake_builds_the_last_stage_for_x86_64() -> None:
    """The file names what is there; no engine is needed to see that."""
    stated: Mapping[str, str] = dict(re.findall(r"^\s+(\w+)\s*= (.+)$", BAKE, re.M))
    assert stated["target"] == f'"{STAGES[-1].name}"'
    assert stated["platforms"] == '["linux/amd64"]'
    assert (ROOT / stated["dockerfile"].strip('"')).is_file()
    declared = {each.text for stage in STAGES for each in stage.named("ARG")}
    assert re.findall(r"^    (\w+) = ", BAKE, re.M) == sorted(declared)
    assert BAKE.count("{") == BAKE.count("}")


def test_an_engine_reads_the_bake_file() -> None:
    """Where docker has buildx, it resolves the target itself."""
    docker = shutil.which("docker")
    command = [docker or "docker", "buildx", "bake", "--print"]
    if docker is None or subprocess.run(command[:2], capture_output=True, check=False).returncode:
        pytest.skip("left out: docker with buildx is not here")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"target": "wheels"' in done.stdout


def test_the_context_leaves_out_what_git_ignores() -> None:
    """A build folder of this machine must not reach the image; the history has to."""
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    left_out = (ROOT / ".dockerignore").read_text().splitlines()
    wanted = {"build", "dist", "wheelhouse", ".nox", ".venv*", "*.egg-info"}
    assert wanted <= {line.strip("/") for line in ignored}
    assert wanted <= set(left_out)
    assert ".git" not in left_out
