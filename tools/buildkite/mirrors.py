"""The second step that a `mirror` makes: the same step on other hardware, with what it overrides.

Source: how vllm-project/ci-infra's generator makes AMD's steps.
"""

from __future__ import annotations

from dataclasses import replace

from tools.buildkite.members import Members
from tools.buildkite.positions import Text
from tools.buildkite.step import Step


def mirrored(step: Step, own: Members) -> Step:
    """Return the AMD step: the union of both dependency lists, everything else overridden."""
    if own.node("device") is None:
        own.report("missing-key", "expected a device")
    commands = own.texts("commands")
    return replace(
        step,
        key=f"amd-{step.key}",
        label=own.text("label") or f"{step.label} (amd)",
        group="Hardware-AMD Tests",
        commands=commands or step.commands,
        dependencies=_union(own.texts("source_file_dependencies"), step.dependencies),
        depends_on=own.texts("depends_on"),
        device=own.text("device"),
        num_devices=own.count("num_devices", "num_gpus") or step.num_devices,
        num_nodes=own.count("num_nodes") or step.num_nodes,
        no_gpu=own.flag("no_gpu") if own.has("no_gpu") else step.no_gpu,
        working_dir=(own.text("working_dir") if commands else None) or step.working_dir,
        timeout_in_minutes=own.count("timeout_in_minutes") or step.timeout_in_minutes,
        concurrency=own.count("concurrency") or step.concurrency,
        concurrency_group=own.text("concurrency_group") or step.concurrency_group,
        optional=own.flag("optional") if own.has("optional") else step.optional,
        soft_fail=own.flag("soft_fail") if own.has("soft_fail") else step.soft_fail,
        env={**step.env, **own.text_map("env")},
        agent_tags=own.text_map("agent_tags") or step.agent_tags,
    )


def _union(first: tuple[Text, ...], second: tuple[Text, ...]) -> tuple[Text, ...]:
    known = {item.text for item in second}
    return (*(item for item in first if item.text not in known), *second)
