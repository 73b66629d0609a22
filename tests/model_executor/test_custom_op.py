"""Operators: which implementation runs, and who may replace it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vllm.model_executor import custom_op
from vllm.model_executor.custom_op import CustomOp, custom_ops
from vllm.platforms import DeviceCapability, Platform

CUDA = Platform(name="cuda", reason="test", capability=DeviceCapability(9, 0))
CPU = Platform(name="cpu", reason="test")


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """Put the registries back."""
    known, replaced = dict(CustomOp.op_registry), dict(CustomOp.op_registry_oot)
    yield
    for registry, before in ((CustomOp.op_registry, known), (CustomOp.op_registry_oot, replaced)):
        registry.clear()
        registry.update(before)


def double() -> type[CustomOp]:
    """Register an operator that says which implementation ran."""

    @CustomOp.register("test_double")
    class Double(CustomOp):
        def forward_native(self) -> str:
            return "native"

        def forward_cuda(self) -> str:
            return "cuda"

        def forward_cpu(self) -> str:
            return "cpu"

    return Double


@pytest.mark.parametrize("platform", [CUDA, CPU])
def test_the_platform_s_implementation_runs(
    monkeypatch: pytest.MonkeyPatch, platform: Platform
) -> None:
    """It is chosen when the operator is made."""
    monkeypatch.setattr(custom_op, "current_platform", platform)
    assert double()()() == platform.name


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ("none", "native"),
        ("none,+test_double", "cpu"),
        ("all,-test_double", "native"),
        ("-test_double,all", "cpu"),
        ("-another", "cpu"),
    ],
)
def test_the_last_switch_that_speaks_of_an_operator_wins(
    monkeypatch: pytest.MonkeyPatch, switches: str, expected: str
) -> None:
    """Each can be switched alone."""
    monkeypatch.setattr(custom_op, "current_platform", CPU)
    monkeypatch.setenv("VLLM_CUSTOM_OPS", switches)
    assert double()()() == expected


def test_enforcing_beats_the_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that needs its implementation gets it."""
    monkeypatch.setattr(custom_op, "current_platform", CPU)
    operator = double()
    with custom_ops("none"):
        assert operator(enforce_enable=True)() == "cpu"
        assert operator()() == "native"


def test_a_program_s_switches_name_known_operators() -> None:
    """A misspelt name is no silent default."""
    with (
        pytest.raises(ValueError, match=r"'-test_doubel': expected all, none"),
        custom_ops("-test_doubel"),
    ):
        pass


def test_an_out_of_tree_subclass_replaces_the_operator_and_what_derives_not() -> None:
    """Whoever makes the operator gets the replacement."""
    operator = double()

    @CustomOp.register_oot("test_double")
    class Replacement(operator):  # type: ignore[misc, valid-type]
        def forward_oot(self) -> str:
            return "out of tree"

    assert type(operator()) is Replacement
    assert operator()() == "out of tree"


def test_a_replacement_derives_from_what_it_replaces() -> None:
    """And what it replaces is known."""
    double()
    stranger = type("Stranger", (CustomOp,), {})
    with pytest.raises(ValueError, match="expected a subclass of"):
        CustomOp.register_oot("test_double")(stranger)
    with pytest.raises(ValueError, match="operator unknown: expected one of"):
        CustomOp.register_oot("unknown")(stranger)


def test_a_name_is_registered_once() -> None:
    """Two operators under one name would be a matter of import order."""
    double()
    with pytest.raises(ValueError, match="operator test_double: taken"):
        double()
