"""The jobs that a local run consists of: one for each step, shard and value of a matrix.

A plan is a plain value: nothing has run, `--dry-run` prints it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from tools.buildkite import devices
from tools.buildkite.devices import Gpu
from tools.buildkite.errors import UnknownStepError
from tools.buildkite.interpolation import interpolated
from tools.buildkite.step import Step


@dataclass(frozen=True, kw_only=True)
class Job:
    """One process tree: the commands as the shell gets them, where, with what, for how long."""

    name: str
    variant: str  # value of the step's matrix
    commands: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    timeout_s: float | None


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step's jobs, or what this machine lacks to run them."""

    step: Step
    needs: tuple[str, ...]  # keys of planned steps that run before
    jobs: tuple[Job, ...]
    missing: str | None

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "key": self.step.key,
            "label": self.step.label,
            "needs": list(self.needs),
            "missing": self.missing,
            "soft_fail": self.step.soft_fail,
            "jobs": [
                {
                    "name": job.name,
                    "commands": list(job.commands),
                    "folder": str(job.folder),
                    "environment": dict(job.environment),
                    "timeout_s": job.timeout_s,
                }
                for job in self.jobs
            ],
        }


def plan(
    steps: Sequence[Step], root: Path, gpus: Sequence[Gpu], shard: int | None = None
) -> tuple[PlannedStep, ...]:
    """Plan the steps in the order of their depends_on; a shard narrows each step to that one.

    Raises:
        UnknownStepError: a step has no such shard.
    """
    build = _build_environment(root)
    by_key = {step.key: step for step in steps}
    return tuple(
        PlannedStep(
            step=by_key[key],
            needs=_needs(by_key[key], by_key),
            jobs=_jobs(by_key[key], root, build, shard),
            missing=devices.missing(by_key[key], gpus),
        )
        for key in _ordered(by_key)
    )


def _ordered(by_key: Mapping[str, Step]) -> tuple[str, ...]:
    graph = {key: _needs(step, by_key) for key, step in by_key.items()}
    return tuple(TopologicalSorter(graph).static_order())


def _needs(step: Step, by_key: Mapping[str, Step]) -> tuple[str, ...]:
    return tuple(needed.text for needed in step.depends_on if needed.text in by_key)


def _jobs(step: Step, root: Path, build: Mapping[str, str], shard: int | None) -> tuple[Job, ...]:
    shards = range(step.parallelism)
    if shard is not None and shard not in shards:
        raise UnknownStepError(
            f"--shard {shard}: step {step.key!r} has the shards 0 to {step.parallelism - 1}"
        )
    return tuple(
        _job(step, root, build, index, value)
        for value in step.matrix or ("",)
        for index in (shards if shard is None else [shard])
    )


def _job(step: Step, root: Path, build: Mapping[str, str], shard: int, value: str) -> Job:
    sharded = {
        "BUILDKITE_PARALLEL_JOB": str(shard),
        "BUILDKITE_PARALLEL_JOB_COUNT": str(step.parallelism),
    }
    environment = {
        **build,
        "BUILDKITE_STEP_KEY": step.key,
        "BUILDKITE_LABEL": _filled(step.label, value),
        **(sharded if step.parallelism > 1 else {}),
        **{name: interpolated(_filled(text, value), build) for name, text in step.env.items()},
    }
    minutes = step.timeout_in_minutes
    return Job(
        name=_job_name(step, shard, value),
        variant=value,
        commands=tuple(interpolated(_filled(item.text, value), build) for item in step.commands),
        folder=root / step.folder,
        environment=environment,
        timeout_s=minutes * 60.0 if minutes else None,
    )


def _job_name(step: Step, shard: int, value: str) -> str:
    parts = [step.key, *([value] if value else []), *([str(shard)] if step.parallelism > 1 else [])]
    return re.sub(r"[^\w.-]", "-", "-".join(parts))


def _filled(text: str, value: str) -> str:
    return re.sub(r"\{\{\s*matrix\s*\}\}", lambda _: value, text) if value else text


def _build_environment(root: Path) -> dict[str, str]:
    """Return what every job of a build is told about its commit."""
    names = {"BUILDKITE_COMMIT": ["HEAD"], "BUILDKITE_BRANCH": ["--abbrev-ref", "HEAD"]}
    found = {name: _git(root, "rev-parse", *arguments) for name, arguments in names.items()}
    told = {name: value for name, value in found.items() if value}
    return {"PYTHONUNBUFFERED": "1", **told}  # output through a pipe would wait for the end


def _git(root: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() if answer.returncode == 0 else ""
