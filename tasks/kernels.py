"""`inv kernels.*`: build what you edit, know what is stale; by `python -m tools.incremental`."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from tools.errors import exit_with
from tools.incremental.__main__ import main


def _tool(*arguments: str) -> None:
    exit_with(lambda: main([argument for argument in arguments if argument]))


@task
def build(_: Context, target: str = "install", dry_run: bool = False) -> None:
    """Build all into the checkout, or one --target."""
    _tool("build", target, "--dry-run" * dry_run)


@task
def affected(_: Context, diff: str = "", json: bool = False) -> None:
    """Show what each changed file makes again."""
    _tool("affected", f"--diff={diff}" if diff else "", "--json" * json)


@task
def stale(_: Context, json: bool = False) -> None:
    """Say what changed since configure and what is due; 80 where more than a build is."""
    _tool("stale", "--json" * json)
