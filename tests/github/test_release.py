"""The release workflow: its order, its rights, its pins, and that its commands are ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / ".github" / "workflows" / "release.yml"
TEXT = FILE.read_text()
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]


def before(name: str) -> set[str]:
    """Return every job that has to end well before one starts."""
    needs = JOBS[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(before(each) for each in direct))


def script(words: str) -> str:
    """Return the commands of the one step that has these words."""
    (found,) = [step["run"] for step in STEPS if words in step.get("run", "")]
    return str(found)


def shell(commands: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run commands as the platform does: bash, which ends at the first that fails."""
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_workflow_is_one_that_the_platform_reads() -> None:
    """Held against the schema that check-jsonschema carries."""
    command = [sys.executable, "-m", "check_jsonschema"]
    schema = ["--builtin-schema", "vendor.github-workflows", str(FILE)]
    done = subprocess.run([*command, *schema], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_published_before_everything_held() -> None:
    """Built, audited, built again with the same bytes, tested and attested; by a tag alone."""
    assert before("publish") == {"build", "audit", "reproduce", "test", "attest"}
    assert before("attest") == {"build", "audit", "reproduce", "test"}
    assert JOBS["publish"]["if"] == "github.ref_type == 'tag'"
    # YAML 1.1 reads the key `on` as true.
    assert WORKFLOW[True]["push"] == {"tags": ["v*"]}


def test_every_action_is_pinned_by_its_commit() -> None:
    """A tag of somebody else's repository can be moved; its name stands in the comment."""
    uses = re.findall(r"uses: (.*)", TEXT)
    assert len(uses) == sum("uses" in step for step in STEPS)
    pins: dict[str, str] = {}
    for each in uses:
        action = re.fullmatch(r"([\w-]+/[\w-]+)@([0-9a-f]{40})  # v\d+\.\d+\.\d+", each)
        assert action, each
        assert pins.setdefault(action[1], action[2]) == action[2], each


def test_only_the_jobs_that_sign_may_ask_for_an_identity() -> None:
    """No other job can publish, whatever its steps would do; no secret is named."""
    assert WORKFLOW["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job}
    assert rights == {
        "attest": {"attestations": "write", "id-token": "write"},
        "publish": {"id-token": "write"},
    }
    assert "secrets." not in TEXT
    # Where an identity is to be had, nothing of the checkout runs.
    for name in rights:
        assert not [step for step in JOBS[name]["steps"] if "run" in step]


@pytest.mark.parametrize(("tag", "code"), [("v0.1.0", 0), ("v0.2.0", 1), ("0.1.0", 1)])
def test_a_tag_that_is_not_the_version_stops_the_build(tmp_path: Path, tag: str, code: int) -> None:
    """The message says what was expected and from where."""
    (tmp_path / "VERSION").write_text("0.1.0\n")
    done = shell(script("GITHUB_REF_NAME"), tmp_path, GITHUB_REF_NAME=tag)
    assert done.returncode == code
    assert ("expected v0.1.0" in done.stderr) is bool(code)


def test_a_second_build_with_other_bytes_is_an_error(tmp_path: Path) -> None:
    """Also one that is not there, and not the last of several alone."""
    for name, text in {"first/a.whl": "a", "first/b.whl": "b", "dist/b.whl": "b"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    compare = script("cmp")
    assert shell(compare, tmp_path).returncode != 0
    (tmp_path / "dist" / "a.whl").write_text("other")
    assert shell(compare, tmp_path).returncode != 0
    (tmp_path / "dist" / "a.whl").write_text("a")
    assert shell(compare, tmp_path).returncode == 0


def test_the_audit_step_fails_with_the_first_bad_wheel(tmp_path: Path) -> None:
    """The tool of the checkout is what it runs; its installation from the index is left out."""
    commands = re.sub(r"python3 -m pip install \S+\n", "", script("check_wheel"))
    assert "pip" not in commands
    commands = commands.replace("python3 tools/", f"{sys.executable} {ROOT}/tools/")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "a-1-py3-none-any.whl").write_text("no archive")
    assert shell(commands, tmp_path).returncode == 22


def test_versions_agree_with_the_dependency_groups() -> None:
    """What a step installs by itself is what the sessions install."""
    pins = re.findall(r"pip install (\S+==\S+)", TEXT)
    assert pins
    for pin in pins:
        assert f'"{pin}"' in (ROOT / "pyproject.toml").read_text()
