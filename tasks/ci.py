"""`inv ci.*`: the CI steps in your own environment, by the same commands as `nox -s ci`."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from tools.errors import exit_with


def _tool(*arguments: str) -> None:
    from tools.buildkite.__main__ import main  # needs packages that the other tasks do without

    exit_with(lambda: main([argument for argument in arguments if argument]))


@task
def lint(_: Context) -> None:
    """Check every step file."""
    _tool("lint")


@task(name="list")
def list_steps(_: Context, diff: str = "") -> None:
    """Show the steps, and what a change chooses with --diff A..B."""
    _tool("list", f"--diff={diff}" if diff else "")


@task
def explain(_: Context, step: str, diff: str = "") -> None:
    """Say which file and rule chose or passed a step."""
    _tool("explain", step, f"--diff={diff}" if diff else "")


@task
def run(_: Context, step: str, allow_skip: bool = False, dry_run: bool = False) -> None:
    """Run one step on this machine."""
    _tool("run", step, "--allow-skip" * allow_skip, "--dry-run" * dry_run)


@task
def emit(_: Context, diff: str, output: str = "") -> None:
    """Write the pipeline that Buildkite runs for a change."""
    _tool("emit", f"--diff={diff}", f"--output={output}" if output else "")
