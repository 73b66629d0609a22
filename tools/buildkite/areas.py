"""The step files of a checkout as values, with vLLM's defaults and inheritance applied.

Source: the step model of vllm-project/ci-infra's pipeline generator (file-level depends_on, default
working folder, derived keys, AMD mirrors).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tools.buildkite import schema
from tools.buildkite.members import Members, unknown
from tools.buildkite.mirrors import mirrored
from tools.buildkite.positions import Finding, Located, Text, read_yaml
from tools.buildkite.step import WORKSPACE, Step

FOLDERS = (".buildkite/test_areas", ".buildkite/image_build", ".buildkite/hardware_tests")


@dataclass(frozen=True, kw_only=True)
class Areas:
    """Every step of a checkout, and what breaks the schema."""

    root: Path
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]


def read_areas(root: Path, folders: tuple[str, ...] = FOLDERS) -> Areas:
    """Read every step file below the folders; what breaks the schema becomes a finding."""
    findings: list[Finding] = []
    steps: list[Step] = []
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.yaml")):
        steps += _area(path, path.relative_to(root).as_posix(), findings)
    return Areas(root=root, steps=tuple(steps), findings=tuple(sorted(findings)))


def derived_key(label: str) -> str:
    """Return the key that vLLM's generator gives a step without one."""
    return re.sub(r"[ ,+:./]", "-", re.sub(r"[()%]", "", label.lower()))


def _area(path: Path, name: str, findings: list[Finding]) -> list[Step]:
    document = read_yaml(path, name, findings)
    if document is None:
        return []
    header = Members(document, schema.AREA_KEYS, findings, "file")
    listed = header.node("steps")
    if listed is None:
        header.report("missing-key", "expected a list of steps")
        return []
    nodes = cast(tuple[Located, ...], listed.value)
    return [step for node in nodes for step in _step_and_mirror(node, header, findings)]


def _step_and_mirror(node: Located, header: Members, findings: list[Finding]) -> list[Step]:
    step = _step(node, header, findings)
    members = cast(dict[str, Located], node.value)
    mirrors = members.get("mirror")
    if step is None or mirrors is None or not isinstance(mirrors.value, dict):
        return [step] if step else []
    for name, mirror in mirrors.value.items():
        if name not in schema.MIRRORS:
            message = f"mirror: {unknown(name, schema.MIRRORS)}"
            findings.append(Finding(position=mirror.position, rule="unknown-key", message=message))
    amd = mirrors.value.get("amd")
    if amd is None:
        return [step]
    what = f"mirror of {step.label!r}"
    return [step, mirrored(step, Members(amd, schema.MIRROR_KEYS, findings, what))]


def _step(node: Located, header: Members, findings: list[Finding]) -> Step | None:
    own = Members(node, schema.STEP_KEYS, findings, _name_of(node))
    label = own.text("label")
    if label is None:
        own.report("missing-key", "expected a label")
        return None
    commands = own.texts("commands") or own.texts("command")
    if not commands:
        own.report("missing-key", "expected commands")
    _check_retry(own, findings)
    declaring = Text(text=node.position.file, position=node.position)
    group_depends_on = header.texts("depends_on")
    return Step(
        key=own.text("key") or derived_key(label),
        label=label,
        group=header.text("group") or own.text("group") or "ungrouped",
        position=node.position,
        commands=commands,
        dependencies=(*own.texts("source_file_dependencies"), declaring),
        depends_on=own.texts("depends_on") or group_depends_on,
        device=own.text("device", "gpu"),
        num_devices=own.count("num_devices", "num_gpus") or 1,
        num_nodes=own.count("num_nodes") or 1,
        no_gpu=own.flag("no_gpu"),
        working_dir=own.text("working_dir") or (f"{WORKSPACE}/tests" if group_depends_on else None),
        timeout_in_minutes=own.count("timeout_in_minutes"),
        parallelism=own.count("parallelism") or 1,
        concurrency=own.count("concurrency"),
        concurrency_group=own.text("concurrency_group"),
        optional=own.flag("optional"),
        soft_fail=own.flag("soft_fail"),
        env=own.text_map("env"),
        agent_tags=own.text_map("agent_tags"),
        retry=cast("dict[str, object] | None", own.plain("retry")),
        matrix=tuple(str(value) for value in cast("list[object]", own.plain("matrix") or [])),
        artifact_paths=tuple(item.text for item in own.texts("artifact_paths")),
        condition=own.text("if"),
        allow_dependency_failure=own.flag("allow_dependency_failure"),
    )


def _name_of(node: Located) -> str:
    members = cast(dict[str, Located], node.value)
    label = members.get("label") or members.get("key")
    return f"step {label.plain!r}" if label else "step"


def _check_retry(own: Members, findings: list[Finding]) -> None:
    node = own.node("retry")
    if node is None:
        return
    retry = Members(node, schema.RETRY_KEYS, findings, "retry")
    tables = {"automatic": schema.AUTOMATIC_RETRY_KEYS, "manual": schema.MANUAL_RETRY_KEYS}
    for name, table in tables.items():
        member = retry.node(name)
        if member is None or isinstance(member.value, bool):
            continue
        for rule in member.value if isinstance(member.value, tuple) else (member,):
            Members(rule, table, findings, f"retry.{name}")
