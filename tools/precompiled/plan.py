"""Decide for each member of a wheel: wanted, kept out or in conflict, and why. Writes nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Literal

from tools.precompiled.archive import Member
from tools.precompiled.checkout import Checkout
from tools.precompiled.compatibility import extension_of
from tools.precompiled.errors import BadWheelError, ConflictError
from tools.precompiled.manifest import Manifest, digest_of, is_as_installed

PACKAGE = "vllm"
SHARED_OBJECT = re.compile(r".+\.so(\.\d+)*")
# The same bytes, of a build here or of another tool: nothing to do, and not ours to remove.
THERE_ALREADY = "there already, not from us"
Verdict = Literal["wanted", "kept out", "conflict"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of one member, and why."""

    member: Member
    verdict: Verdict
    reason: str
    # The bytes are there already, put there by us: nothing to write.
    present: bool = False
    # A file of the user's is there and is moved to .precompiled/saved.
    save: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All decisions, and what of the last install goes."""

    decisions: tuple[Decision, ...]
    stale: tuple[str, ...] = ()
    # Files of the last install that the user changed and this one does not bring: left as they are.
    left: tuple[str, ...] = ()

    def of(self, verdict: Verdict) -> tuple[Decision, ...]:
        """Return the decisions with this verdict."""
        return tuple(decision for decision in self.decisions if decision.verdict == verdict)

    @property
    def to_write(self) -> tuple[Decision, ...]:
        """Return what is wanted and not there yet."""
        return tuple(decision for decision in self.of("wanted") if not decision.present)

    @property
    def in_place(self) -> tuple[str, ...]:
        """Return what of the wheel is in the checkout after the install, whoever put it there."""
        return tuple(
            decision.member.path
            for decision in self.decisions
            if decision.verdict == "wanted" or decision.reason == THERE_ALREADY
        )

    def check(self) -> None:
        """Check that no decision is left to the user. Raises: ConflictError with all of them."""
        if not (conflicts := self.of("conflict")):
            return
        lines = [f"  {decision.member.path}: {decision.reason}" for decision in conflicts]
        raise ConflictError(
            f"{len(conflicts)} files of the wheel are in conflict with the checkout, nothing was "
            "written:\n"
            + "\n".join(lines)
            + "\nmove them away, or install with --replace: it keeps "
            "untracked files in .precompiled/saved and `remove` brings them back"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return {
            "members": [
                {
                    "path": decision.member.path,
                    "verdict": decision.verdict,
                    "reason": decision.reason,
                    "present": decision.present,
                    "size": decision.member.size,
                    "packed": decision.member.packed,
                }
                for decision in self.decisions
            ],
            "stale": list(self.stale),
            "left": list(self.left),
        }

    def summary(self) -> list[tuple[str, str, int, int]]:
        """Return verdict, reason, count and unpacked bytes, for a table."""
        counts: Counter[tuple[str, str]] = Counter()
        sizes: Counter[tuple[str, str]] = Counter()
        for decision in self.decisions:
            key = (decision.verdict, decision.reason.split(": ")[0])
            counts[key] += 1
            sizes[key] += decision.member.size
        return [(*key, count, sizes[key]) for key, count in sorted(counts.items(), reverse=True)]


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Decide about members from what the checkout, the last install and the user say."""

    checkout: Checkout
    manifest: Manifest | None
    patterns: Sequence[str] = ()
    replace: bool = False

    def plan(self, members: Sequence[Member], wheel: str) -> Plan:
        """Return the plan for a wheel's members. Raises: BadWheelError for one without a digest."""
        context = _Wheel.of(members, self.checkout)
        decisions = tuple(self._decision(member, context) for member in members)
        wanted = [decision.member for decision in decisions if decision.verdict == "wanted"]
        if undigested := [member.path for member in wanted if not member.digest]:
            raise BadWheelError(f"{wheel}: RECORD has no digest for {', '.join(undigested)}")
        placed = {decision.member.path for decision in decisions if decision.verdict != "kept out"}
        root = self.checkout.root
        # A path that became source-controlled since is git's now.
        old = [
            entry
            for entry in (self.manifest.files if self.manifest else ())
            if entry.path not in placed and not self.checkout.protects(entry.path)
        ]
        gone = {entry.path for entry in old if is_as_installed(root, entry)}
        left = {e.path for e in old if e.path not in gone and (root / e.path).exists()}
        return Plan(decisions=decisions, stale=tuple(sorted(gone)), left=tuple(sorted(left)))

    def _decision(self, member: Member, wheel: _Wheel) -> Decision:
        reason = self._not_ours(member.path, wheel.built)
        if reason:
            return Decision(member=member, verdict="kept out", reason=reason)
        if hidden := self._hidden(member.path, wheel.packages):
            # A source file can stay away; a binary that can't be placed is for the user to settle.
            binary = bool(SHARED_OBJECT.fullmatch(member.path))
            return Decision(
                member=member,
                verdict="conflict" if binary else "kept out",
                reason=f"would hide a source-controlled module: {hidden}",
            )
        if rival := self._preferred(member.path, wheel.paths):
            reason = f"{rival}, not from us, would be imported instead of it: delete that"
            return Decision(member=member, verdict="conflict", reason=reason)
        return self._against_disk(member)

    def _not_ours(self, path: str, built: frozenset[str]) -> str:
        """Return why the member is nothing for this checkout, or ''."""
        unselected = self.patterns and not any(fnmatch(path, p) for p in self.patterns)
        rival = self.checkout.case_rival(path)
        reasons = (
            (not path.startswith(f"{PACKAGE}/"), f"outside of the package {PACKAGE}"),
            (self.checkout.protects(path), "source-controlled"),
            (rival, f"differs by case alone from a source-controlled file: {rival}"),
            (path.endswith(".pyc") or "/__pycache__/" in path, "bytecode"),
            (
                not SHARED_OBJECT.fullmatch(path) and path not in built,
                "neither a binary nor what a build produces here",
            ),
            (unselected, "not selected"),
        )
        return next((reason for applies, reason in reasons if applies), "")

    def _hidden(self, path: str, packages: frozenset[str]) -> str:
        return self.checkout.hidden_by(path) or self.checkout.hidden_by_parents(path, packages)

    def _against_disk(self, member: Member) -> Decision:
        target = self.checkout.root / member.path
        if obstacle := _obstacle(self.checkout.root, target):
            return Decision(member=member, verdict="conflict", reason=obstacle)
        if not target.exists():
            return Decision(member=member, verdict="wanted", reason="new")
        return self._against_file(member, target)

    def _against_file(self, member: Member, target: Path) -> Decision:
        entry = self.manifest.file(member.path) if self.manifest else None
        if entry is not None and is_as_installed(self.checkout.root, entry):
            mode = target.stat().st_mode & 0o777
            same = (entry.digest, entry.mode, mode) == (member.digest, member.mode, member.mode)
            reason = "as installed" if same else "replaces what was installed last"
            return Decision(member=member, verdict="wanted", reason=reason, present=same)
        if digest_of(target) == member.digest and entry is None:
            return Decision(member=member, verdict="kept out", reason=THERE_ALREADY)
        said = "changed since we installed it" if entry else "an untracked file that is not from us"
        verdict: Verdict = "wanted" if self.replace else "conflict"
        return Decision(member=member, verdict=verdict, reason=said, save=self.replace)

    def _preferred(self, path: str, brought: frozenset[str]) -> str:
        """Return an extension of the same module that an interpreter takes first, or ''."""
        extension = extension_of(path)
        if extension is None or extension.suffix not in EXTENSION_SUFFIXES:
            return ""
        ours = {entry.path for entry in (self.manifest.files if self.manifest else ())}
        before = EXTENSION_SUFFIXES[: EXTENSION_SUFFIXES.index(extension.suffix)]
        rivals = [f"{extension.module}{suffix}" for suffix in before]
        strange = [rival for rival in rivals if rival not in brought and rival not in ours]
        return next((rival for rival in strange if (self.checkout.root / rival).exists()), "")


@dataclass(frozen=True, kw_only=True)
class _Wheel:
    """What has to be known of all members to decide about one."""

    paths: frozenset[str]
    packages: frozenset[str]
    built: frozenset[str]

    @classmethod
    def of(cls, members: Sequence[Member], checkout: Checkout) -> _Wheel:
        paths = frozenset(member.path for member in members)
        packages = frozenset(path for path in paths if path.endswith("/__init__.py"))
        return cls(
            paths=paths,
            packages=packages,
            built=checkout.only_built(path for path in paths if not SHARED_OBJECT.fullmatch(path)),
        )


def _obstacle(root: Path, target: Path) -> str:
    """Return why no file can stand at `target` inside the checkout, or ''."""
    for parent in target.relative_to(root).parents:
        folder = root / parent
        if folder.is_symlink():
            return f"{parent} is a link: writing through it would leave the checkout's own folders"
        if folder.exists() and not folder.is_dir():
            return f"{parent} is a file"
    if target.is_symlink() or (target.exists() and not target.is_file()):
        return "a link or folder of this name is there"
    return ""
