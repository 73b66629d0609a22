"""From the last install and a plan to the change that makes the next one. Reads only."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tools.precompiled.apply import Change, Put
from tools.precompiled.manifest import Installed, Manifest, digest_of, folders_above, saved_path
from tools.precompiled.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the manifest will say of where the files come from."""

    source: str = ""
    wheel: str = ""
    checked_against: str = ""
    torch_requirement: str = ""


def next_change(
    root: Path, last: Manifest | None, plan: Plan, content: Callable[[str], Path], facts: Facts
) -> Change | None:
    """Return the change, or None where the checkout and its manifest are as they should be."""
    entries = {entry.path: entry for entry in (last.files if last else ())}
    files = tuple(_entries(plan, entries))
    new = _new_puts(plan, content)
    # Somebody may have emptied .precompiled/saved: what is not there cannot come back.
    saved = {e.path for e in entries.values() if e.saved and saved_path(root, e.path).is_file()}
    back = tuple(_give_back(root, path) for path in plan.stale if path in saved)
    before = last.folders if last else ()
    needed = set(folders_above(entry.path for entry in files))
    made = [folder for folder in folders_above(p.path for p in new) if not (root / folder).exists()]
    manifest = Manifest(
        generation=uuid.uuid4().hex,
        source=facts.source,
        wheel=facts.wheel,
        files=files,
        folders=tuple(sorted({*made, *(folder for folder in before if folder in needed)})),
        checked_against=facts.checked_against,
        torch_requirement=facts.torch_requirement,
    )
    if (
        last
        and not new
        and not plan.stale
        and replace(manifest, generation=last.generation) == last
    ):
        return None
    return Change(
        puts=(*new, *back),
        drops=tuple(path for path in plan.stale if path not in saved),
        manifest=manifest,
        drop_folders=tuple(folder for folder in before if folder not in needed),
    )


def _entries(plan: Plan, last: dict[str, Installed]) -> list[Installed]:
    return [
        last[decision.member.path]
        if decision.present
        else Installed(
            path=decision.member.path,
            digest=decision.member.digest,
            mode=decision.member.mode,
            stamp=(),
            saved=decision.save
            or (decision.member.path in last and last[decision.member.path].saved),
        )
        for decision in plan.of("wanted")
    ]


def _new_puts(plan: Plan, content: Callable[[str], Path]) -> tuple[Put, ...]:
    return tuple(
        Put(
            path=decision.member.path,
            source=str(content(decision.member.digest)),
            digest=decision.member.digest,
            mode=decision.member.mode,
            save=decision.save,
        )
        for decision in plan.to_write
    )


def _give_back(root: Path, path: str) -> Put:
    saved = saved_path(root, path)
    return Put(
        path=path,
        source=str(saved),
        digest=digest_of(saved),
        mode=saved.stat().st_mode & 0o777,
        give_back=True,
    )
