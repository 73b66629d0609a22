"""Step files: every break of the schema is named by line, vLLM's defaults are applied."""

from __future__ import annotations

import pytest

from tests.tools.buildkite.conftest import AREA, Checkout
from tools.buildkite import schema
from tools.buildkite.areas import derived_key, read_areas


def found(checkout: Checkout, text: str) -> list[str]:
    return [str(finding) for finding in checkout.areas(text).findings]


def test_a_misspelt_key_is_an_error_with_its_line_and_the_nearest_known_key(
    checkout: Checkout,
) -> None:
    """What dropped every timeout of a project for months is one line here."""
    text = """\
        steps:
        - label: A
          commands: [make]
          timeout_in_minute: 5
        """
    assert found(checkout, text) == [
        f"{AREA}:4: unknown-key: step 'A': 'timeout_in_minute' is not known;"
        " did you mean 'timeout_in_minutes'?"
    ]


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("grop: G\nsteps: []", 1),
        ("steps:\n- label: A\n  commands: [x]\n  retry:\n    automatik: true", 5),
        ("steps:\n- label: A\n  commands: [x]\n  retry:\n    automatic:\n    - exit: 1", 6),
        ("steps:\n- label: A\n  commands: [x]\n  mirror:\n    amdd: {}", 5),
        ("steps:\n- label: A\n  commands: [x]\n  mirror:\n    amd:\n      devise: mi300_1\n", 6),
    ],
)
def test_unknown_keys_are_found_at_every_depth(checkout: Checkout, place: str, line: int) -> None:
    """The file, a retry, its rules, the mirrors and a mirror are as strict as a step."""
    rules = [(f.rule, f.position.line) for f in checkout.areas(place).findings]
    assert ("unknown-key", line) in rules


@pytest.mark.parametrize(
    "member",
    [
        "timeout_in_minutes: soon",
        "timeout_in_minutes: 0",
        "timeout_in_minutes: true",
        "parallelism: '2'",
        "optional: 1",
        "commands: make",
        "commands: [{pytest: x}]",
        "source_file_dependencies: vllm/",
        "env: {A: 1}",
        "env: [A=1]",
        "depends_on: {key: a}",
        "retry: 2",
        "matrix: 3.12",
        "artifact_paths: dist",
        "device: [h100]",
    ],
)
def test_a_value_of_another_type_names_key_type_and_value(checkout: Checkout, member: str) -> None:
    """The message says what the key is for, what it takes and what stands there."""
    name = member.partition(":")[0]
    other = "" if name == "commands" else "  commands: [x]\n"
    text = f"steps:\n- label: A\n{other}  {member}\n"
    wrong = [f for f in checkout.areas(text).findings if f.rule == "type"]
    assert len(wrong) == 1
    assert name in wrong[0].message
    assert schema.STEP_KEYS[name].kind.name in wrong[0].message


def test_a_duplicate_yaml_key_is_an_error_with_both_lines(checkout: Checkout) -> None:
    """YAML readers keep the last of two equal keys without a word."""
    text = "steps:\n- label: A\n  commands: [x]\n  optional: true\n  optional: false\n"
    assert found(checkout, text) == [
        f"{AREA}:5: duplicate-key: 'optional' stands at line 4 already; YAML keeps the last"
    ]


def test_text_that_is_not_yaml_is_an_error_with_its_line(checkout: Checkout) -> None:
    """A parser's exception never reaches the user."""
    assert found(checkout, "steps:\n- label: 'A\n")[0].startswith(f"{AREA}:3: syntax:")
    for empty in ("", "# nothing but a comment\n"):
        assert found(checkout, empty) == [f"{AREA}:1: syntax: expected steps, found an empty file"]


@pytest.mark.parametrize("text", [b"a: \xff", b"a: \x07", b"steps: 2026-13-45", b"a: &x [*y]"])
def test_bytes_that_no_reader_takes_are_an_error_too(checkout: Checkout, text: bytes) -> None:
    """Another encoding, control characters, a date that is none, an unknown alias."""
    checkout.write(AREA).write_bytes(text)
    assert [finding.rule for finding in read_areas(checkout.root).findings] == ["syntax"]


@pytest.mark.parametrize(
    "text", ["steps:\n- commands: [x]\n", "steps:\n- label: A\n", "group: G\n"]
)
def test_what_every_step_file_must_have_is_asked_for(checkout: Checkout, text: str) -> None:
    """A label, commands, and steps at all."""
    assert "missing-key" in [finding.rule for finding in checkout.areas(text).findings]


def test_the_files_depends_on_brings_vllms_defaults(checkout: Checkout) -> None:
    """Steps inherit it, also in place of ~, and start in the tests folder."""
    text = """\
        depends_on: [image-build]
        steps:
        - {label: A, commands: [x], depends_on: ~}
        - {label: B, commands: [x], depends_on: [other], working_dir: /vllm-workspace/}
        """
    first, second = checkout.areas(text).steps
    assert [item.text for item in first.depends_on] == ["image-build"]
    assert (first.folder, second.folder) == ("tests", ".")
    assert [item.text for item in second.depends_on] == ["other"]


@pytest.mark.parametrize(
    ("declared", "folder"),
    [
        ("/vllm-workspace", "."),
        ("/vllm-workspace/", "."),
        ("/vllm-workspace/tests", "tests"),
        ("/vllm-workspace/a/b/", "a/b"),
        (".", "."),
        ("/vllm-workspaces", "/vllm-workspaces"),
        ("/tmp", "/tmp"),
    ],
)
def test_the_agents_workspace_maps_to_the_checkout(
    checkout: Checkout, declared: str, folder: str
) -> None:
    """Folders outside the workspace stay absolute, for the linter to refuse."""
    step = checkout.step(f"steps:\n- {{label: A, commands: [x], working_dir: {declared}}}\n")
    assert step.folder == folder


def test_the_declaring_file_is_the_last_dependency(checkout: Checkout) -> None:
    """A change of a step's own file runs the step."""
    step = checkout.step("steps:\n- {label: A, commands: [x], source_file_dependencies: [vllm/]}\n")
    assert [item.text for item in step.dependencies] == ["vllm/", AREA]
    assert [item.text for item in step.declared] == ["vllm/"]


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("Kernels Test %N", "kernels-test-n"),
        (":nvidia: (H100) DeepGEMM, FP8 + BF16", "-nvidia--h100-deepgemm--fp8---bf16"),
        ("a/b.c", "a-b-c"),
    ],
)
def test_a_step_without_a_key_gets_that_of_vllms_generator(label: str, key: str) -> None:
    """So that depends_on means the same in both."""
    assert derived_key(label) == key


def test_older_names_mean_the_same(checkout: Checkout) -> None:
    """Files of vLLM from before the renaming are read."""
    step = checkout.step("steps:\n- {label: A, command: x, gpu: b200, num_gpus: 2}\n")
    assert (step.device, step.num_devices, step.commands[0].text) == ("b200", 2, "x")


def test_a_mirror_is_a_step_of_its_own(checkout: Checkout) -> None:
    """It overrides what it names and adds its dependencies to those of its parent."""
    text = """\
        steps:
        - label: A
          key: a
          device: h100
          optional: true
          commands: [x]
          env: {B: "1"}
          source_file_dependencies: [vllm/]
          mirror:
            amd:
              device: mi300_1
              optional: false
              depends_on: [image-build-amd]
              source_file_dependencies: [csrc/rocm/, vllm/]
              env: {C: "2"}
            torch_nightly: {}
        """
    parent, mirror = checkout.areas(text).steps
    assert (mirror.key, mirror.device, mirror.optional) == ("amd-a", "mi300_1", False)
    assert [item.text for item in mirror.declared] == ["csrc/rocm/", "vllm/"]
    assert mirror.env == {"B": "1", "C": "2"}
    assert mirror.commands == parent.commands
    assert [item.text for item in mirror.depends_on] == ["image-build-amd"]


SAMPLES = {
    "a text": "x",
    "true or false": "true",
    "a whole number above 0": "2",
    "a list of texts": "[x]",
    "a list of step keys, one key, or ~": "~",
    "a mapping of names to texts (quote numbers)": "{A: '1'}",
    "a list of texts or numbers": "['3.10', 3.12]",
}


def test_every_key_that_vllm_uses_is_known(checkout: Checkout) -> None:
    """All of them in one step and its mirror give no finding, in vLLM's ways of writing them."""
    own = {"label", "commands", "command", "retry", "mirror"}
    lines = [
        f"  {name}: {SAMPLES[field.kind.name]}"
        for name, field in schema.STEP_KEYS.items()
        if name not in own
    ]
    mirrored = [
        f"      {name}: {SAMPLES[field.kind.name]}" for name, field in schema.MIRROR_KEYS.items()
    ]
    text = "\n".join(
        [
            "group: Everything",
            "depends_on: ",
            "  - image-build",
            "steps:",
            "- label: Everything # with a comment",
            *lines,
            "  retry:",
            "    automatic:",
            "      - exit_status: -1  # Agent was lost",
            "        limit: 2",
            "      - {exit_status: '*', limit: 1, signal: SIGKILL, signal_reason: agent_stop}",
            "    manual: {allowed: true, permit_on_passed: true, reason: no}",
            "  commands:",
            "  - pytest -v -s kernels/",
            "      --ignore=kernels/moe",
            "  - >-",
            "    bash run.sh",
            "    'cd tests && pytest -v -s kernels'",
            "  - |",
            '    case "$$BUILDKITE_PARALLEL_JOB" in',
            "      0) pytest a ;;",
            "      *) exit 1 ;;",
            "    esac",
            "  mirror:",
            "    torch_nightly: {}",
            "    amd:",
            *mirrored,
            "- label: Anchors",
            "  source_file_dependencies: &shared",
            "  - vllm/",
            "  - '!vllm/distributed/'",
            "  commands: &run [make]",
            "- label: Aliases",
            "  source_file_dependencies: *shared",
            "  commands: *run",
            "",
        ]
    ).replace("reason: no}", "reason: 'no'}")
    assert found(checkout, text) == []


def test_merge_keys_are_followed(checkout: Checkout) -> None:
    """`<<` brings members in, and is no key of its own."""
    text = """\
        steps:
        - &base
          label: A
          commands: [x]
          timeout_in_minutes: 3
        - <<: *base
          label: B
        """
    areas = checkout.areas(text)
    assert not areas.findings
    assert [step.timeout_in_minutes for step in areas.steps] == [3, 3]
