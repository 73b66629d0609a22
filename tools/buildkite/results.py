"""What a run did: one result for each job, written as JUnit XML beside its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

State = Literal["ok", "failed", "soft-failed", "timed-out", "skipped", "blocked"]

# States that fail a run. A skip was asked for, and a soft failure does not count.
FAILING: frozenset[State] = frozenset({"failed", "timed-out", "blocked"})
FAILED: frozenset[State] = frozenset({"failed", "timed-out"})
LOG_TAIL = 4000  # characters of a log inside its JUnit file
_NOT_XML = {code: "?" for code in range(32) if chr(code) not in "\t\n\r"}


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """One command of a job: how long it ran, and whether it ended well."""

    command: str
    seconds: float
    ok: bool


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """One job, or a step that had none to run."""

    step: str
    name: str
    state: State
    seconds: float = 0.0
    detail: str = ""
    commands: tuple[CommandResult, ...] = ()
    log: Path | None = None

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "step": self.step,
            "job": self.name,
            "state": self.state,
            "seconds": round(self.seconds, 3),
            "detail": self.detail,
            "log": str(self.log) if self.log else None,
        }


def write_junit(path: Path, result: JobResult) -> None:
    """Write the job as a test suite with a case for each command that was started."""
    whole = CommandResult(command=result.name, seconds=0.0, ok=result.state not in FAILED)
    cases = result.commands or (whole,)
    failed = [case for case in cases if not case.ok]
    suite = ElementTree.Element(
        "testsuite",
        name=result.name,
        tests=str(len(cases)),
        failures=str(len(failed)),
        skipped=str(int(result.state in ("skipped", "blocked"))),
        time=f"{result.seconds:.3f}",
    )
    for case in cases:
        _add_case(suite, case, result)
    text = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    beside = path.with_suffix(".xml.partial")
    beside.write_bytes(text)
    beside.replace(path)


def _add_case(suite: ElementTree.Element, case: CommandResult, result: JobResult) -> None:
    name = case.command.translate(_NOT_XML)
    element = ElementTree.SubElement(
        suite, "testcase", classname=result.step, name=name, time=f"{case.seconds:.3f}"
    )
    if result.state in ("skipped", "blocked"):
        ElementTree.SubElement(element, "skipped", message=result.detail)
    elif not case.ok:
        failure = ElementTree.SubElement(element, "failure", message=result.detail)
        failure.text = _tail(result.log).translate(_NOT_XML)


def _tail(log: Path | None) -> str:
    if log is None:
        return ""
    return log.read_bytes().decode("utf-8", "replace")[-LOG_TAIL:]
