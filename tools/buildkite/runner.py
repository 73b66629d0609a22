"""Runs a plan on this machine: steps in order, a step's jobs at once, each with log and JUnit."""

from __future__ import annotations

import itertools
import os
import queue
import shlex
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from tools import console
from tools.buildkite import devices
from tools.buildkite.devices import Gpu
from tools.buildkite.plan import Job, PlannedStep
from tools.buildkite.processes import Ended, run_logged
from tools.buildkite.results import CommandResult, JobResult, State, write_junit

PROGRESS = "CI_STEP_PROGRESS"  # file that the job's shell notes each command's start in

Slot = tuple[Gpu, ...]


class Runner:
    """Runs planned steps one after another and keeps what became of each."""

    def __init__(
        self, *, out: Path, gpus: Sequence[Gpu], at_once: int, output: IO[bytes] | None = None
    ) -> None:
        self._out, self._gpus, self._at_once = out, gpus, at_once
        self._output = output or sys.stdout.buffer
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def run(self, planned: Sequence[PlannedStep]) -> tuple[JobResult, ...]:
        """Run the plan; a step whose need failed or was skipped is blocked, not run."""
        self._out.mkdir(parents=True, exist_ok=True)
        results: list[JobResult] = []
        for step in planned:
            results += self._step(step, _worst(results))
        return tuple(results)

    def _step(self, planned: PlannedStep, states: Mapping[str, State]) -> list[JobResult]:
        key = planned.step.key
        if planned.missing:
            return [self._not_run(key, "skipped", planned.missing)]
        unmet = [need for need in planned.needs if states[need] not in ("ok", "soft-failed")]
        if unmet and not planned.step.allow_dependency_failure:
            skipped = all(states[need] == "skipped" for need in unmet)
            why = f"needs {unmet[0]}: {states[unmet[0]]}"
            return [self._not_run(key, "skipped" if skipped else "blocked", why)]
        # Values of a matrix take turns: unlike shards they build, and share this checkout.
        return [
            result
            for _, jobs in itertools.groupby(planned.jobs, lambda job: job.variant)
            for result in self._at_the_same_time(planned, list(jobs))
        ]

    def _at_the_same_time(self, planned: PlannedStep, wanted: Sequence[Job]) -> list[JobResult]:
        slots = self._slots(planned)
        with ThreadPoolExecutor(slots.qsize()) as pool:
            jobs = [pool.submit(self._job, job, planned, slots) for job in wanted]
            try:
                return [job.result() for job in jobs]
            except BaseException:
                self._cancelled.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _slots(self, planned: PlannedStep) -> queue.Queue[Slot]:
        """Return what jobs wait for: a set of GPUs each, or a place among those at once."""
        slots: queue.Queue[Slot] = queue.Queue()
        if devices.needs_gpu(planned.step):
            fitting, count = devices.fitting(planned.step, self._gpus), planned.step.num_devices
            for start in range(0, len(fitting) - count + 1, count):
                slots.put(fitting[start : start + count])
        else:
            for _ in range(max(1, min(self._at_once, planned.step.parallelism))):
                slots.put(())
        return slots

    def _job(self, job: Job, planned: PlannedStep, slots: queue.Queue[Slot]) -> JobResult:
        slot = slots.get()
        try:
            with console.step(job.name):
                result = self._executed(job, planned, slot, alone=planned.step.parallelism == 1)
                write_junit(self._out / f"{job.name}.xml", result)
                if result.state != "ok":
                    raise _NotOk
        except _NotOk:
            console.stderr.print(f"{job.name}: {result.detail}", markup=False)
        finally:
            slots.put(slot)
        return result

    def _executed(self, job: Job, planned: PlannedStep, slot: Slot, *, alone: bool) -> JobResult:
        if not job.folder.is_dir():
            detail = f"its working folder {job.folder} is not there"
            return JobResult(step=planned.step.key, name=job.name, state="failed", detail=detail)
        progress = (self._out / f"{job.name}.progress").absolute()
        progress.write_text("")
        environment = {**os.environ, **job.environment, PROGRESS: str(progress)}
        if slot:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.uuid for gpu in slot)
        log = self._out / f"{job.name}.log"
        shown = _Shown(self._output, self._lock, "" if alone else f"[{job.name}] ")
        ended = run_logged(
            ["bash", "-c", script(job.commands)],
            folder=job.folder,
            environment=environment,
            log=log,
            show=shown.write,
            timeout_s=job.timeout_s,
            cancelled=self._cancelled,
        )
        shown.finish()
        commands = _commands(job, progress, ended)
        progress.unlink()
        state, detail = _judged(job, planned, ended, len(commands))
        return JobResult(
            step=planned.step.key,
            name=job.name,
            state=state,
            seconds=ended.seconds,
            detail=detail,
            commands=commands,
            log=log,
        )

    def _not_run(self, key: str, state: State, why: str) -> JobResult:
        result = JobResult(step=key, name=key, state=state, detail=why)
        write_junit(self._out / f"{key}.xml", result)
        with console.step(key):
            raise console.Skip(f"{why} ({state})")
        return result


class _NotOk(Exception):  # noqa: N818 - makes the step's closing line say FAIL
    pass


def _worst(results: Sequence[JobResult]) -> dict[str, State]:
    """Return each step's state: that of its worst job."""
    order: tuple[State, ...] = ("ok", "soft-failed", "skipped", "blocked", "timed-out", "failed")
    ranked = sorted(results, key=lambda result: order.index(result.state))
    return {result.step: result.state for result in ranked}


def script(commands: Sequence[str]) -> str:
    """Return a shell script that names each command, notes its start, stops at a failure."""
    lines = ["set -e"]
    for number, command in enumerate(commands, 1):
        title = f"--- [{number}/{len(commands)}] {command}"
        lines += [
            f"printf '%s\\n' {shlex.quote(title)}",
            f'date +%s.%N >> "${PROGRESS}"',
            command,
            # `set -e` lets `false && true` pass; a step must not.
            "_ci_status=$?; if [ $_ci_status -ne 0 ]; then exit $_ci_status; fi",
        ]
    return "\n".join(lines)


def _commands(job: Job, progress: Path, ended: Ended) -> tuple[CommandResult, ...]:
    starts = [float(line) for line in progress.read_text().split()]
    ends = [*starts[1:], time.time()]
    return tuple(
        CommandResult(
            command=command,
            seconds=max(0.0, end - start),
            ok=ended.status == 0 or number < len(starts),
        )
        for number, (command, start, end) in enumerate(
            zip(job.commands, starts, ends, strict=False), 1
        )
    )


def _judged(job: Job, planned: PlannedStep, ended: Ended, started: int) -> tuple[State, str]:
    place = f"command {started} of {len(job.commands)}"
    if ended.status == 0:
        return "ok", ""
    if ended.status is None:
        return "timed-out", f"{place} was still running after {ended.seconds:.0f} s"
    return ("soft-failed" if planned.step.soft_fail else "failed"), f"{place} exited {ended.status}"


class _Shown:
    """Writes a job's output through, whole lines with the job's name where several run at once."""

    def __init__(self, output: IO[bytes], lock: threading.Lock, prefix: str) -> None:
        self._output, self._lock, self._prefix = output, lock, prefix.encode()
        self._rest = b""

    def write(self, chunk: bytes) -> None:
        """Write what is whole of a piece of output."""
        with self._lock:
            if self._prefix:
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                chunk = b"".join(self._prefix + line + b"\n" for line in lines)
            self._output.write(chunk)
            self._output.flush()

    def finish(self) -> None:
        """Write a last line that has no end."""
        if self._rest:
            self.write(b"\n")
