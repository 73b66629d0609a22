"""`python -m vllm.compilation.cache`: look at the compile cache, ask why something was compiled
again, keep it small.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vllm.compilation.cache import cache_root, entry
from vllm.compilation.cache.errors import CacheError, DamagedEntriesError
from vllm.compilation.cache.housekeeping import (
    damages,
    held,
    parse_age,
    parse_size,
    plan_pruning,
    prune,
)
from vllm.compilation.cache.store import Store
from vllm.compilation.cache.transfer import export_entries, import_entries
from vllm.compilation.factors import Factors, differences

_SHOWN = 16  # characters of a key


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 2 for usage, 3 unknown key, 4 damaged entries, 5
    bad archive.
    """
    options = _parser().parse_args(arguments)
    store = Store(root=options.cache or cache_root())
    try:
        _expect_folder(store.root)
        return int(options.run(store, options))
    except CacheError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _expect_folder(root: Path) -> None:
    """Hold that the cache is a folder, or can become one."""
    found = next(path for path in (root, *root.absolute().parents) if path.exists())
    if not found.is_dir():
        raise CacheError(
            f"{root}: expected a folder, found the file {found}; name another with --cache or "
            "VLLM_CACHE_ROOT"
        )


def _ls(store: Store, options: argparse.Namespace) -> int:
    entries, now = held(store), time.time()
    if options.json:
        return _print_json(
            [
                {"key": row.key, "bytes": row.size, "unused_seconds": int(now - row.last_use)}
                for row in entries
            ]
        )
    for row in entries:
        unused = int(now - row.last_use)
        print(f"{row.key[:_SHOWN]}  {row.size:>12} bytes  unused for {unused} s")
    print(f"{len(entries)} entries, {sum(row.size for row in entries)} bytes in {store.root}")
    return 0


def _explain(store: Store, options: argparse.Namespace) -> int:
    factors = _factors(store, options.key)
    tree = json.loads(factors.canonical)
    if options.json:
        return _print_json({"key": factors.key, "factors": tree})
    print(f"key {factors.key}")
    for kind, values in tree.items():
        print(f"{kind}:" if isinstance(values, dict) else f"{kind}: {values}")
        for name in sorted(values) if isinstance(values, dict) else ():
            print(f"  {name}: {_short(values[name])}")
    return 0


def _why_miss(store: Store, options: argparse.Namespace) -> int:
    before, after = (_factors(store, key) for key in (options.before, options.after))
    found = differences(before, after)
    if options.json:
        return _print_json([vars(each) for each in found])
    for each in found:
        print(f"{each.name}: {_short(each.before)} -> {_short(each.after)}")
    if not found:
        print("no factor differs: both have the same key")
    return 0


def _verify(store: Store, options: argparse.Namespace) -> int:
    keys = store.published()
    found = damages(store, keys)
    if options.json:
        _print_json({"entries": len(keys), "damaged": found})
    else:
        print(f"{len(keys)} entries, {len(found)} damaged")
    for key, damage in found.items() if options.quarantine else ():
        store.set_aside(key, damage)
    if found and not options.quarantine:
        listed = "; ".join(f"{key[:_SHOWN]}: {damage}" for key, damage in found.items())
        raise DamagedEntriesError(
            f"{listed}; they are rebuilt when they are needed, or try verify --quarantine"
        )
    return 0


def _prune(store: Store, options: argparse.Namespace) -> int:
    plan = plan_pruning(store, max_size=options.max_size, max_age=options.max_age)
    for row, reason in plan.entries:
        print(f"remove {row.key[:_SHOWN]}  {row.size} bytes  {reason}")
    for folder in plan.leftovers:
        print(f"remove {folder.name}  left by a killed process")
    if options.dry_run:
        print(f"would keep {plan.kept} entries, {plan.kept_size} bytes")
        return 0
    gone, size = prune(store, plan)
    print(f"removed {gone} entries, {size} bytes; kept {plan.kept} entries, {plan.kept_size} bytes")
    return 0


def _export(store: Store, options: argparse.Namespace) -> int:
    keys = [store.find(prefix) for prefix in options.keys] or store.published()
    size = export_entries(store, keys, options.archive)
    print(f"wrote {len(keys)} entries, {size} bytes to {options.archive}")
    return 0


def _import(store: Store, options: argparse.Namespace) -> int:
    new, known = import_entries(store, options.archive)
    print(f"imported {len(new)} entries, {len(known)} were there")
    return 0


def _factors(store: Store, text: str) -> Factors:
    """Return the factors of a key, of a prefix of one, or of a factors.json by whatever name."""
    file = Path(text)
    elsewhere = file.is_file() or file.name == entry.FACTORS
    if not elsewhere:
        file = store.entries / store.find(text) / entry.FACTORS
    try:
        return entry.read_factors(file)
    except entry.DamagedError as damage:
        advice = "name a key or the factors.json of an entry" if elsewhere else "try verify"
        raise DamagedEntriesError(f"{file}: {damage}; {advice}") from None


def _short(value: Any) -> str:
    text = json.dumps(value)
    return (
        text if len(text) <= 120 else f"{text[:100]}... ({len(text)} characters; --json shows all)"
    )


def _print_json(value: object) -> int:
    print(json.dumps(value, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vllm.compilation.cache", description=__doc__)
    parser.add_argument("--cache", type=Path, help="its folder; without it, below VLLM_CACHE_ROOT")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Any, help_text: str, *, reads: bool = True
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.set_defaults(run=run)
        if reads:
            added.add_argument("--json", action="store_true", help="print JSON")
        return added

    command("ls", _ls, "list the entries, the last used first")
    command("explain", _explain, "show every factor of an entry").add_argument("key")
    why = command("why-miss", _why_miss, "name the factors in which two entries differ")
    why.add_argument("before", metavar="A", help="a key, the beginning of one, or a factors.json")
    why.add_argument("after", metavar="B")
    check = command("verify", _verify, "hold every entry against its checksums")
    check.add_argument("--quarantine", action="store_true", help="set damaged entries aside")
    pruning = command("prune", _prune, "remove entries that are too old or too much", reads=False)
    pruning.add_argument("--max-size", type=_typed(parse_size), metavar="SIZE", help="such as 2G")
    pruning.add_argument("--max-age", type=_typed(parse_age), metavar="AGE", help="such as 30d")
    pruning.add_argument("--dry-run", action="store_true", help="say what would go")
    out = command("export", _export, "write entries to a tar file", reads=False)
    out.add_argument("archive", type=Path)
    out.add_argument("keys", nargs="*", metavar="KEY", help="without any: all entries")
    command("import", _import, "publish the entries of a tar file", reads=False).add_argument(
        "archive", type=Path
    )
    return parser


def _typed(parse: Any) -> Any:
    """Let argparse show what a parser of ours says."""

    def parsed(text: str) -> int:
        try:
            return int(parse(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    sys.exit(main())
