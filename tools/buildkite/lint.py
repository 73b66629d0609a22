"""The rules that keep step files true: names resolve, paths exist, tests select their step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.buildkite import devices
from tools.buildkite.areas import Areas
from tools.buildkite.interpolation import problems
from tools.buildkite.members import unknown
from tools.buildkite.positions import Finding, Position, Text
from tools.buildkite.selection import match
from tools.buildkite.shell_words import Invocation, invocations
from tools.buildkite.step import Step
from tools.buildkite.tree import Tree, covers

SHOWN = 3  # paths named in one message
SHARD = "BUILDKITE_PARALLEL_JOB"

Rule = Callable[[Step, Tree], Iterator[Finding]]


def lint(areas: Areas, tree: Tree) -> tuple[Finding, ...]:
    """Return every finding of the files, those of the schema included, by file and line."""
    findings = [*areas.findings, *_twice(areas.steps), *_undefined(areas.steps)]
    findings += _cycles(areas.steps)
    for step in areas.steps:
        for rule in _RULES:
            findings += rule(step, tree)
    return tuple(sorted(set(findings)))


def refused_at_upload(areas: Areas) -> tuple[Finding, ...]:
    """Return what makes the files unusable: a broken schema, names that clash or lead nowhere."""
    findings = [*areas.findings, *_twice(areas.steps), *_undefined(areas.steps)]
    findings += _cycles(areas.steps)
    for step in areas.steps:
        findings += _dollars(step)
    return tuple(sorted(set(findings)))


def _twice(steps: tuple[Step, ...]) -> Iterator[Finding]:
    for what in ("key", "label"):
        seen: dict[tuple[str, str], Step] = {}
        for step in steps:
            name = getattr(step, what)
            scope = step.position.file if what == "label" else ""
            first = seen.setdefault((scope, name), step)
            if first is not step:
                message = f"{what} {name!r} is that of {first.position} too"
                yield _finding(step.position, f"duplicate-{what}", step, message)


def _undefined(steps: tuple[Step, ...]) -> Iterator[Finding]:
    keys = tuple(sorted({step.key for step in steps}))
    for step in steps:
        for needed in step.depends_on:
            if needed.text not in keys:
                message = f"depends_on {unknown(needed.text, keys)}"
                yield _finding(needed.position, "undefined-step", step, message)


def _cycles(steps: tuple[Step, ...]) -> Iterator[Finding]:
    needs = {step.key: [needed.text for needed in step.depends_on] for step in steps}
    for step in steps:
        reached = _reachable(step.key, needs)
        if step.key in reached:
            yield _finding(step.position, "cycle", step, "depends_on leads back to the step itself")


def _reachable(key: str, needs: dict[str, list[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(needs.get(key, ()))
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting += needs.get(current, ())
    return reached


def _device(step: Step, _: Tree) -> Iterator[Finding]:
    if step.device and not devices.known(step.device):
        message = f"device {unknown(step.device, devices.names())}"
        yield _finding(step.position, "unknown-device", step, message)


def _together(step: Step, _: Tree) -> Iterator[Finding]:
    if (step.concurrency is None) != (step.concurrency_group is None):
        message = "concurrency and concurrency_group only work together"
        yield _finding(step.position, "incomplete", step, message)


def _dependencies(step: Step, tree: Tree) -> Iterator[Finding]:
    included = [item.text for item in step.dependencies if not item.text.startswith("!")]
    for item in step.declared:
        path = item.text.removeprefix("!")
        if "*" in path or path.startswith(("/", "./")):
            message = f"{item.text!r} matches nothing: dependencies are files or folders, no globs"
            yield _finding(item.position, "dead-path", step, message)
        elif not tree.has(path):
            yield _finding(item.position, "dead-path", step, _not_there(path, tree))
        elif item.text.startswith("!") and not any(covers(part, path) for part in included):
            message = f"{item.text!r} excludes nothing that the step includes"
            yield _finding(item.position, "dead-exclusion", step, message)


def _commands(step: Step, tree: Tree) -> Iterator[Finding]:
    if step.folder.startswith("/"):
        message = f"working_dir {step.working_dir!r} lies outside the checkout's workspace"
        yield _finding(step.position, "dead-path", step, message)
        return
    if not tree.has(step.folder):
        yield _finding(step.position, "dead-path", step, _not_there(step.folder, tree))
    for call in _calls(step):
        for path in (*call.tests, *call.scripts):
            if not _is_there(path, step, tree):
                at = _line_of(path, step)
                yield _finding(at, "dead-path", step, _not_there(path, tree))
        yield from _uncovered(step, call, tree)


def _is_there(path: str, step: Step, tree: Tree) -> bool:
    if path.startswith("/") or "$" in path or tree.has(path):
        return True
    # A step of several nodes starts its script in the checkout's root, whatever its working_dir.
    return step.num_nodes > 1 and tree.has(path.removeprefix(f"{step.folder}/"))


def _calls(step: Step) -> list[Invocation]:
    try:
        return list(invocations([command.text for command in step.commands], step.folder))
    except ValueError:
        return []  # _quotes says so


def _quotes(step: Step, _: Tree) -> Iterator[Finding]:
    for command in step.commands:
        try:
            list(invocations([command.text], step.folder))
        except ValueError as error:
            message = f"the shell cannot read this: {error}"
            yield _finding(command.position, "quotes", step, message)


def _uncovered(step: Step, call: Invocation, tree: Tree) -> Iterator[Finding]:
    if step.optional or not step.declared:
        return  # no change selects it anyway
    for path in call.tests:
        missed = [file for file in tree.tests(path, call.ignored) if not match(step, file).selects]
        if missed:
            more = f" and {len(missed) - SHOWN} more" if len(missed) > SHOWN else ""
            message = (
                f"a change of {', '.join(missed[:SHOWN])}{more} would not run this step;"
                f" add {path!r} to source_file_dependencies"
            )
            yield _finding(_line_of(path, step), "uncovered-test", step, message)


def _shards(step: Step, tree: Tree) -> Iterator[Finding]:
    texts = [command.text for command in step.commands]
    if step.parallelism == 1 or texts == [":"]:
        return
    if any(SHARD in text for text in (*texts, *step.env.values())):
        return
    scripts = [path for call in _calls(step) for path in call.scripts]
    if any(tree.mentions(path, SHARD) for path in scripts):
        return
    message = (
        f"each of {step.parallelism} shards would run the same; give the tests"
        " --shard-id=$$BUILDKITE_PARALLEL_JOB --num-shards=$$BUILDKITE_PARALLEL_JOB_COUNT"
    )
    yield _finding(step.position, "no-shard", step, message)


def _dollars(step: Step, _: Tree | None = None) -> Iterator[Finding]:
    for command in step.commands:
        for problem in problems(command.text):
            yield _finding(command.position, "interpolation", step, problem)
    for name, text in step.env.items():
        for problem in problems(text):
            yield _finding(step.position, "interpolation", step, f"env {name}: {problem}")


_RULES: tuple[Rule, ...] = (
    _device,
    _together,
    _dependencies,
    _quotes,
    _commands,
    _shards,
    _dollars,
)


def _line_of(path: str, step: Step) -> Position:
    name = path.rpartition("/")[2]
    named: Text | None = next((item for item in step.commands if name in item.text), None)
    return named.position if named else step.position


def _not_there(path: str, tree: Tree) -> str:
    near = tree.nearest(path)
    return f"{path!r} is not in the checkout" + (f"; did you mean {near!r}?" if near else "")


def _finding(position: Position, rule: str, step: Step, message: str) -> Finding:
    return Finding(position=position, rule=rule, message=f"step {step.key!r}: {message}")
