"""`python -m tools.buildkite lint|list|explain|run|emit`: the CI steps of this checkout."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tools import console
from tools.buildkite import devices, emit, selection
from tools.buildkite.areas import Areas, read_areas
from tools.buildkite.errors import AreasInvalidError, DeviceMissingError, StepFailedError
from tools.buildkite.lint import lint, refused_at_upload
from tools.buildkite.plan import PlannedStep, plan
from tools.buildkite.positions import Finding
from tools.buildkite.results import FAILING, JobResult
from tools.buildkite.runner import Runner
from tools.buildkite.selection import Decision
from tools.buildkite.tree import Tree
from tools.errors import exit_with

OUT = Path("build/ci")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if getattr(options, "steps", None) and (options.diff or options.file or options.nightly):
        parser.error("name the steps, or let --diff, --file or --nightly choose them")
    if getattr(options, "jobs", 1) < 1:
        parser.error(f"--jobs {options.jobs}: expected 1 or more")
    code: int = options.action(options)
    return code


def _lint(options: argparse.Namespace) -> int:
    areas = read_areas(options.root)
    findings = lint(areas, Tree.of(options.root))
    if options.json:
        print(json.dumps([_finding_json(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(finding)
    if findings:
        raise AreasInvalidError(f"{options.root}: {len(findings)} findings, each named by its line")
    _expect_steps(areas)
    if not options.json:
        print(f"{len(areas.steps)} steps, no findings")
    return 0


def _list(options: argparse.Namespace) -> int:
    decisions = _decisions(options, _checked(options.root))
    if options.json:
        print(json.dumps([_decision_json(decision) for decision in decisions], indent=2))
        return 0
    for decision in decisions:
        step = decision.step
        shards = f", {step.parallelism} shards" if step.parallelism > 1 else ""
        shape = f"{devices.queue(step)} x {step.num_devices}{shards}"
        mark = "run " if decision.chosen else "pass"
        print(f"{mark}  {step.key:<32}  {shape:<16}  {decision.because}")
    return 0


def _explain(options: argparse.Namespace) -> int:
    areas = _checked(options.root)
    wanted = selection.find(areas.steps, options.step)
    decision = next(d for d in _decisions(options, areas) if d.step.key == wanted.key)
    if options.json:
        rules = [asdict(match) for match in decision.matches]
        print(json.dumps({**_decision_json(decision), "matches": rules}, indent=2))
        return 0
    print(f"{wanted.key}: {'runs' if decision.chosen else 'passed'}: {decision.because}")
    for match in decision.matches:
        if match.include is None:
            print(f"  {match.file}: no rule")
            continue
        print(f"  {match.file}: in by {match.include.text!r} ({match.include.position})")
        if match.exclude:
            print(f"  {match.file}: out by {match.exclude.text!r} ({match.exclude.position})")
    return 0


def _run(options: argparse.Namespace) -> int:
    areas = _checked(options.root)
    gpus = devices.installed_gpus()
    chosen = [decision.step for decision in _decisions(options, areas) if decision.chosen]
    if not chosen:
        print("no step was chosen, nothing runs", file=sys.stderr)
    planned = plan(chosen, options.root, gpus, options.shard)
    if options.dry_run:
        _print_plan(planned, as_json=options.json)
    refused = [step for step in planned if step.missing]
    if refused and not options.allow_skip:
        raise DeviceMissingError(_refusal(refused))
    if options.dry_run:
        return 0
    output = sys.stderr.buffer if options.json else sys.stdout.buffer
    signal.signal(signal.SIGTERM, _interrupted)
    runner = Runner(out=options.out, gpus=gpus, at_once=options.jobs, output=output)
    return _report(runner.run(planned), options)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt  # so that a stopped run ends its steps' processes too


def _emit(options: argparse.Namespace) -> int:
    chosen = [d.step for d in _decisions(options, _checked(options.root)) if d.chosen]
    as_json = json.dumps(emit.pipeline(chosen), indent=2) + "\n"
    text = as_json if options.json else emit.as_yaml(chosen)
    if options.output is None:
        print(text, end="")
        return 0
    options.output.parent.mkdir(parents=True, exist_ok=True)
    beside = options.output.with_name(options.output.name + ".partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(options.output)
    print(f"{options.output}: {len(chosen)} steps", file=sys.stderr)
    return 0


def _checked(root: Path) -> Areas:
    areas = read_areas(root)
    if findings := refused_at_upload(areas):
        raise AreasInvalidError("\n".join(["the step files need mending", *map(str, findings)]))
    _expect_steps(areas)
    return areas


def _expect_steps(areas: Areas) -> None:
    if not areas.steps:
        raise AreasInvalidError(
            f"{areas.root}: expected step files in .buildkite, found none; run it at the root of a "
            "checkout, or name that with --root"
        )


def _decisions(options: argparse.Namespace, areas: Areas) -> tuple[Decision, ...]:
    if getattr(options, "steps", None):
        return selection.decide_named(areas.steps, options.steps, closure=options.with_needs)
    files = [*options.file]
    if options.diff:
        files += selection.changed_files(options.diff, options.root)
    scope: selection.Scope = "nightly" if options.nightly else "change"
    if options.all or not (options.diff or options.file or options.nightly):
        scope = "all"
    return selection.decide(areas.steps, files, scope)


def _print_plan(planned: Sequence[PlannedStep], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([step.as_json() for step in planned], indent=2))
        return
    for step in planned:
        print(f"{step.step.key}: {step.missing or 'runs here'}")
        for job in step.jobs:
            limit = f"{job.timeout_s / 60:.0f} min" if job.timeout_s else "no limit"
            print(f"  {job.name} in {job.folder} ({limit})")
            for command in job.commands:
                print(f"    {command}")


def _report(results: Sequence[JobResult], options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps([result.as_json() for result in results], indent=2))
    rows = [
        (result.name, result.state, round(result.seconds, 1), result.detail or result.log or "")
        for result in results
    ]
    console.table("steps", ("job", "state", "s", "detail"), rows)
    failed = [result.name for result in results if result.state in FAILING]
    if failed:
        raise StepFailedError(f"{', '.join(failed)}: see the logs in {options.out}")
    return 0


def _refusal(refused: Sequence[PlannedStep]) -> str:
    lines = [f"{step.step.key}: {step.missing}" for step in refused]
    return "\n".join([*lines, "--allow-skip runs the rest and shows these as skipped"])


def _finding_json(finding: Finding) -> dict[str, object]:
    return {**asdict(finding.position), "rule": finding.rule, "message": finding.message}


def _decision_json(decision: Decision) -> dict[str, object]:
    return {
        "key": decision.step.key,
        "label": decision.step.label,
        "chosen": decision.chosen,
        "reason": decision.reason,
        "because": decision.because,
        "needed_by": decision.needed_by,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.buildkite", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="checkout to look at")
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("lint", help="check every step file")
    check.set_defaults(action=_lint)
    listing = commands.add_parser("list", help="show the steps and what chooses them")
    listing.set_defaults(action=_list)
    explain = commands.add_parser("explain", help="say which file and rule chose or passed a step")
    explain.add_argument("step")
    explain.set_defaults(action=_explain)
    run = commands.add_parser("run", help="run steps on this machine")
    run.add_argument("steps", nargs="*", metavar="STEP", help="keys or labels")
    _add_run_options(run)
    emission = commands.add_parser("emit", help="write the pipeline for Buildkite")
    emission.add_argument("--output", type=Path, help="file; stdout where not given")
    emission.set_defaults(action=_emit)
    for command in (listing, explain, run, emission):
        command.add_argument("--diff", metavar="A..B", help="choose by what changed")
        command.add_argument("--file", action="append", default=[], help="choose by this file")
        command.add_argument("--nightly", action="store_true", help="choose every step")
        command.add_argument("--all", action="store_true", help="choose all but optional steps")
    for command in (check, listing, explain, run, emission):
        command.add_argument("--json", action="store_true")
    return parser


def _add_run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("--with-needs", action="store_true", help="also what the named depend on")
    run.add_argument("--allow-skip", action="store_true", help="skip steps whose device is missing")
    run.add_argument("--dry-run", action="store_true", help="print the plan")
    run.add_argument("--shard", type=int, help="run only this shard of each step")
    run.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="CPU jobs at once")
    run.add_argument("--out", type=Path, default=OUT, help="folder of logs and JUnit files")
    run.set_defaults(action=_run)


if __name__ == "__main__":
    exit_with(main)
