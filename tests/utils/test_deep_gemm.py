"""DeepGEMM's wrappers: what is there is used, what is not says so, and both can be traced."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vllm.platforms import DeviceCapability, Platform
from vllm.utils import deep_gemm, deep_gemm_library

HOPPER = Platform(name="cuda", reason="test", capability=DeviceCapability(9, 0))


def product(
    a: Any, b: Any, d: torch.Tensor, c: torch.Tensor | None = None, recipe: Any = None
) -> None:
    """Stand in for the kernel, with scales of one."""
    assert recipe is None or tuple(recipe) == (1, 128, 128)
    result = a[0].float() @ b[0].float().T
    d.copy_(result if c is None else result + c)


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Put a library with one function in the extension's place."""
    fake = SimpleNamespace(fp8_gemm_nt=product)
    monkeypatch.setattr(deep_gemm_library, "_face", lambda: fake)
    return fake


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the library away."""
    reason = "its extension is not built for this Python"
    monkeypatch.setattr(deep_gemm_library, "_face", lambda: reason)


def scaled(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, 128).to(torch.float8_e4m3fn), torch.ones(rows, 1)


@pytest.mark.usefixtures("absent")
def test_an_absent_library_serves_nothing_and_says_why() -> None:
    """Each function of vLLM's is there, and its call is one clear error."""
    assert set(deep_gemm.capabilities()) == set(deep_gemm.FUNCTIONS)
    assert not any(deep_gemm.capabilities().values())
    d = torch.empty(2, 3)
    with pytest.raises(
        deep_gemm.DeepGemmUnavailableError, match="fp8_gemm_nt: its extension is not built"
    ):
        deep_gemm.fp8_gemm_nt(scaled(2), scaled(3), d)
    with pytest.raises(deep_gemm.DeepGemmUnavailableError, match="get_num_sms"):
        _ = deep_gemm.get_num_sms


@pytest.mark.usefixtures("face")
def test_a_library_without_a_function_does_not_pretend() -> None:
    """The error names the function and what the library has instead."""
    assert [name for name, there in deep_gemm.capabilities().items() if there] == ["fp8_gemm_nt"]
    message = "fp8_einsum: not in the installed library, which has fp8_gemm_nt"
    with pytest.raises(deep_gemm.DeepGemmUnavailableError, match=message):
        deep_gemm.fp8_einsum("bhr,hdr->bhd", scaled(2), scaled(3), torch.empty(2, 3))
    layout = torch.zeros(2, dtype=torch.int32)
    with pytest.raises(deep_gemm.DeepGemmUnavailableError, match="fp8_m_grouped_gemm_nt_masked"):
        deep_gemm.fp8_m_grouped_gemm_nt_masked(scaled(2), scaled(3), torch.empty(2, 3), layout, 4)


@pytest.mark.usefixtures("face")
def test_the_wrapper_writes_into_what_the_caller_gives() -> None:
    """With and without something to add."""
    a, b, d = scaled(2), scaled(3), torch.empty(2, 3)
    deep_gemm.fp8_gemm_nt(a, b, d)
    wanted = a[0].float() @ b[0].float().T
    assert torch.equal(d, wanted)
    deep_gemm.fp8_gemm_nt(a, b, d, torch.ones(2, 3), recipe=(1, 128, 128))
    assert torch.equal(d, wanted + 1)


def test_what_steers_the_result_reaches_the_library(face: SimpleNamespace) -> None:
    """A recipe and a psum layout that went lost would be read as something else."""
    seen: list[Any] = []
    face.fp8_gemm_nt = lambda _a, _b, _d, _c, recipe: seen.append(recipe)
    face.m_grouped_fp8_gemm_nt_contiguous = lambda *_operands, **steering: seen.append(steering)
    a, b, d = scaled(2), scaled(3), torch.empty(2, 3)
    deep_gemm.fp8_gemm_nt(a, b, d, recipe=(1, 1, 128))
    layout = torch.zeros(2, dtype=torch.int32)
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(a, b, d, layout, use_psum_layout=True)
    assert [list(seen[0]), seen[1]] == [[1, 1, 128], {"use_psum_layout": True}]


@pytest.mark.usefixtures("face")
def test_the_operator_is_traced_whole_and_not_looked_into() -> None:
    """A compiled graph holds one node for the kernel, for batches of any size."""
    seen: list[str] = []

    def backend(graph: torch.fx.GraphModule, _inputs: Any) -> Any:
        seen.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph

    def call(
        a: torch.Tensor, scale: torch.Tensor, b: torch.Tensor, ones: torch.Tensor
    ) -> torch.Tensor:
        d = a.new_empty((a.shape[0], b.shape[0]), dtype=torch.float32)
        deep_gemm.fp8_gemm_nt((a, scale), (b, ones), d)
        return d * 2

    compiled = torch.compile(call, backend=backend, fullgraph=True, dynamic=True)
    for rows in (4, 6):
        (a, scale), (b, ones) = scaled(rows), scaled(3)
        assert torch.equal(compiled(a, scale, b, ones), 2 * (a.float() @ b.float().T))
    assert seen.count("vllm.deep_gemm_fp8_gemm_nt") == 1


def test_fakes_know_the_shapes_of_scores() -> None:
    """Without the library, on no device."""
    with torch._subclasses.FakeTensorMode():
        q, k = torch.empty(5, 32, 64), torch.empty(9, 64)
        small = torch.empty(5)
        scores = deep_gemm.fp8_mqa_logits(q, (k, torch.empty(9)), torch.empty(5, 32), small, small)
        assert (scores.shape, scores.dtype) == ((5, 9), torch.float32)
        q = torch.empty(2, 3, 32, 64)
        paged = deep_gemm.fp8_paged_mqa_logits(q, k, small, small, small, small, 100)
        assert paged.shape == (6, 100)


def test_fakes_refuse_operands_that_do_not_fit() -> None:
    """Tracing finds what the kernel would."""
    with torch._subclasses.FakeTensorMode():
        a, b = torch.empty(4, 128), torch.empty(8, 256)
        with pytest.raises(RuntimeError, match="k: a"):
            deep_gemm.fp8_gemm_nt((a, a), (b, b), torch.empty(4, 8))


@pytest.mark.parametrize(
    ("platform", "switch", "reason"),
    [
        (HOPPER, "1", "built, switched on"),
        (HOPPER, "0", "VLLM_USE_DEEP_GEMM switches it off"),
        (Platform(name="cpu", reason="test"), "1", "the platform is a CPU"),
        (
            Platform(name="cuda", reason="test", capability=DeviceCapability(10, 0)),
            "1",
            "expected a GPU of capability 9.0",
        ),
    ],
)
@pytest.mark.usefixtures("face")
def test_support_has_a_reason(
    monkeypatch: pytest.MonkeyPatch, platform: Platform, switch: str, reason: str
) -> None:
    """Switch, platform, capability, library: the first that forbids it is named."""
    monkeypatch.setattr(deep_gemm_library, "current_platform", platform)
    monkeypatch.setenv("VLLM_USE_DEEP_GEMM", switch)
    assert deep_gemm.support().reason.startswith(reason)
    assert deep_gemm.is_deep_gemm_supported() == (reason == "built, switched on")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the extension lie there and fail."""

    def fail(_name: str) -> None:
        raise ImportError("libdeep_gemm.so: undefined symbol")

    monkeypatch.setattr(deep_gemm_library, "_is_built", lambda: True)
    monkeypatch.setattr(importlib, "import_module", fail)
    deep_gemm_library._face.cache_clear()
    yield
    deep_gemm_library._face.cache_clear()


@pytest.mark.usefixtures("broken")
def test_a_broken_extension_is_no_crash() -> None:
    """The loader's words are in the reason."""
    face = deep_gemm_library._face()
    assert face == "its extension is broken (libdeep_gemm.so: undefined symbol)"
