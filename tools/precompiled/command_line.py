"""`python -m tools.precompiled plan|install|status|verify|remove`: arguments in, a report out."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tools import console
from tools.precompiled.compatibility import Host, Library
from tools.precompiled.errors import DamagedError
from tools.precompiled.inspection import status, verify
from tools.precompiled.install import Installer, Report
from tools.precompiled.manifest import read_manifest
from tools.precompiled.plan import Plan
from tools.precompiled.settings import Settings
from tools.precompiled.source import Location
from tools.precompiled.store import Store
from tools.precompiled.transport import Transport, redacted

Reader = Callable[[Path], Library]


def run(arguments: Sequence[str] | None, root: Path, read_library: Reader) -> int:
    """Run the command that the arguments name and return its exit code."""
    parser = _parser(root)
    options = parser.parse_args(arguments)
    root = options.checkout.resolve()
    if not root.is_dir():
        parser.error(f"--checkout {root}: expected a folder, found none")
    if options.command == "status":
        return _show_status(status(root), options.json)
    if options.command == "verify":
        return _show_findings(root, read_library, options.json)
    installer = Installer(
        root=root,
        store=Store(root=options.cache.absolute()) if options.cache else Store.from_environment(),
        transport=Transport(),
        read_library=read_library,
    )
    if options.command == "remove":
        return _remove(installer, options.json)
    settings = _settings(options)
    installer.transport.offline = settings.offline
    if options.command == "plan" or options.dry_run:
        return _show_plan(*installer.plan(settings.request), as_json=options.json)
    return _install(installer, settings, options.json)


def _parser(root: Path) -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--checkout", type=Path, default=root, help="default: this one")
    shared.add_argument("--json", action="store_true", help="print the result as JSON")
    shared.add_argument("--cache", type=Path, help="default: VLLM_PRECOMPILED_CACHE or ~/.cache")
    wheel = argparse.ArgumentParser(add_help=False)
    wheel.add_argument(
        "wheel", nargs="?", help="a path, a URL or a requirement; default: the environment's"
    )
    wheel.add_argument(
        "--members", action="append", default=[], metavar="PATTERN", help="only these paths"
    )
    wheel.add_argument("--offline", action="store_true", help="use the cache alone")
    wheel.add_argument("--replace", action="store_true", help="save untracked files, restore later")
    wheel.add_argument("--any-torch", action="store_true", help="accept another torch version")
    parser = argparse.ArgumentParser(prog="python -m tools.precompiled", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("plan", parents=[shared, wheel], help="say what install would do")
    install = commands.add_parser("install", parents=[shared, wheel], help="bring the binaries")
    install.add_argument("--dry-run", action="store_true", help="the same as plan")
    commands.add_parser("status", parents=[shared], help="say what is installed")
    commands.add_parser("verify", parents=[shared], help="read every installed file again")
    commands.add_parser("remove", parents=[shared], help="restore the state before")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    """Return the environment's settings; an argument goes before each of them."""
    found = Settings.from_environment(options.wheel, os.environ)
    request = replace(
        found.request,
        patterns=tuple(options.members) or found.request.patterns,
        replace=options.replace or found.request.replace,
        any_torch=options.any_torch or found.request.any_torch,
    )
    return Settings(request=request, offline=options.offline or found.offline)


def _install(installer: Installer, settings: Settings, as_json: bool) -> int:
    with console.step("install precompiled binaries"), console.byte_progress("fetch") as progress:
        installer.transport.on_bytes = progress.advance
        report = replace(installer, on_total=progress.expect).install(settings.request)
    return _show_report(report, as_json)


def _remove(installer: Installer, as_json: bool) -> int:
    report = installer.remove()
    if report is None:
        print("null" if as_json else "nothing is installed")
        return 0
    return _show_report(report, as_json)


def _show_report(report: Report, as_json: bool) -> int:
    print(json.dumps(asdict(report), indent=1) if as_json else "\n".join(report.lines()))
    return 0


def _show_plan(location: Location, plan: Plan, *, as_json: bool) -> int:
    place = redacted(str(location.place))
    if as_json:
        wheel = {"wheel": location.filename, "source": place, "said": location.said}
        print(json.dumps(wheel | plan.as_json(), indent=1))
        return 0
    print(
        f"{location.filename}\n  from {place}" + (f"\n  {location.said}" if location.said else "")
    )
    console.table("plan", ("verdict", "reason", "files", "bytes"), plan.summary())
    for decision in (*plan.of("conflict"), *plan.of("wanted")):
        print(f"{decision.verdict}: {decision.member.path}: {decision.reason}")
    for path in plan.stale:
        print(f"stale: {path}: goes, the last install brought it and this one does not")
    return 0


def _show_status(state: dict[str, object], as_json: bool) -> int:
    if as_json:
        print(json.dumps(state, indent=1))
    elif not state["installed"]:
        print("nothing is installed")
    else:
        files, changed = state["files"], state["changed"]
        assert isinstance(files, list)
        assert isinstance(changed, list)
        print(
            f"{state['wheel']} from {state['source']}: {len(files)} files, {state['bytes']} bytes"
        )
        print(f"compared with {state['checked_against']}")
        for path in changed:
            print(f"changed: {path}")
    if state["interrupted"] and not as_json:
        print("an install was interrupted; the next install or remove restores the state before it")
    return 0


def _show_findings(root: Path, read_library: Reader, as_json: bool) -> int:
    findings = verify(root, Host.here(), read_library)
    manifest = read_manifest(root)
    if as_json:
        print(json.dumps({"installed": manifest is not None, "findings": findings}, indent=1))
        return DamagedError.exit_code if findings else 0
    if findings:
        raise DamagedError(
            f"{root}: {len(findings)} findings:\n"
            + "\n".join(f"  {finding}" for finding in findings)
            + "\ninstall again (--replace keeps your changed files), or remove"
        )
    print(f"ok: {len(manifest.files)} files" if manifest else "nothing is installed")
    return 0
