"""Tests of dispatching to precompiled FlashAttention and of doing without it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vllm.vllm_flash_attn import (  # noqa: E402
    flash_attn_interface,
    flash_attn_varlen_func,
    operators,
)
from vllm.vllm_flash_attn.flash_attn_interface import (  # noqa: E402
    fa_version_unsupported_reason,
    get_scheduler_metadata,
    is_fa_version_supported,
)

# Source: the schemas that the binaries of vllm 0.21.0 register.
FA2 = (
    "varlen_fwd(Tensor! q, Tensor k, Tensor v, Tensor!? out, Tensor cu_seqlens_q, "
    "Tensor cu_seqlens_k, Tensor? seqused_k, Tensor? leftpad_k, Tensor? block_table, "
    "Tensor? alibi_slopes, int max_seqlen_q, int max_seqlen_k, float p_dropout, "
    "float softmax_scale, bool zero_tensors, bool is_causal, int window_size_left, "
    "int window_size_right, float softcap, bool return_softmax, int num_splits, "
    "Generator? gen) -> Tensor[]"
)
FA3 = (
    "fwd(Tensor! q, Tensor k, Tensor v, Tensor? k_new, Tensor? v_new, Tensor? q_v, Tensor!? out, "
    "Tensor? cu_seqlens_q, Tensor? cu_seqlens_k, Tensor? cu_seqlens_k_new, Tensor? seqused_q, "
    "Tensor? seqused_k, int? max_seqlen_q, int? max_seqlen_k, Tensor? page_table, "
    "Tensor? kv_batch_idx, Tensor? leftpad_k, Tensor? rotary_cos, Tensor? rotary_sin, "
    "Tensor? seqlens_rotary, Tensor? q_descale, Tensor? k_descale, Tensor? v_descale, "
    "float softmax_scale, bool is_causal, int window_size_left, int window_size_right, "
    "float softcap, bool is_rotary_interleaved, Tensor? scheduler_metadata, int num_splits, "
    "bool? pack_gqa, int sm_margin, Tensor? s_aux, int cp_world_size, int cp_rank, "
    "Tensor? cp_tot_seqused_k) -> Tensor[]"
)
QUERIES, KEYS, HEADS, KEY_HEADS, SIZE = (3, 0, 4), (5, 2, 4), 4, 2, 8


@pytest.fixture(autouse=True)
def fresh_probe() -> Iterator[None]:
    """Probe anew in each test."""
    operators.probe.cache_clear()
    yield
    operators.probe.cache_clear()


@pytest.fixture(scope="module")
def registered() -> Iterator[dict[str, list[Any]]]:
    """Operators with the binaries' schemas that record their arguments."""
    calls: dict[str, list[Any]] = {}
    libraries = []
    for space, schema in (("_vllm_fa2_C", FA2), ("_vllm_fa3_C", FA3)):
        library = torch.library.Library(space, "DEF")
        library.define(schema)

        def record(*arguments: Any, space: str = space) -> list[Any]:
            calls[space] = list(arguments)
            return [torch.ones(1), torch.zeros(1), torch.zeros(1), torch.zeros(1)]

        library.impl(schema.partition("(")[0], record, "CPU")
        libraries.append(library)
    yield calls
    del libraries


def packed(lengths: tuple[int, ...]) -> Any:
    return torch.tensor([sum(lengths[:n]) for n in range(len(lengths) + 1)], dtype=torch.int32)


def arguments(**changes: Any) -> dict[str, Any]:
    """Return a call of three sequences, the second without queries."""
    generator = torch.Generator().manual_seed(0)

    def random(tokens: int, heads: int) -> Any:
        return torch.randn(tokens, heads, SIZE, generator=generator)

    call: dict[str, Any] = {
        "q": random(sum(QUERIES), HEADS),
        "k": random(sum(KEYS), KEY_HEADS),
        "v": random(sum(KEYS), KEY_HEADS),
        "max_seqlen_q": max(QUERIES),
        "cu_seqlens_q": packed(QUERIES),
        "max_seqlen_k": max(KEYS),
        "cu_seqlens_k": packed(KEYS),
        "return_softmax_lse": True,
    }
    return call | changes


def expected(call: dict[str, Any], sees: Any, slope: Any = None) -> tuple[Any, Any]:
    """Return output and log-sum-exp by the definition, one query and head at a time."""
    output = torch.zeros(sum(QUERIES), HEADS, SIZE, dtype=torch.float64)
    sums = torch.full((HEADS, sum(QUERIES)), -torch.inf, dtype=torch.float64)
    for n, (queries, keys) in enumerate(zip(QUERIES, KEYS, strict=True)):
        start_q, start_k = sum(QUERIES[:n]), sum(KEYS[:n])
        for i in range(queries):
            row = start_q + i
            seen = [j for j in range(keys) if sees(i + keys - queries, j)]
            for head in range(HEADS):
                if not seen:
                    continue
                columns = [start_k + j for j in seen]
                k = call["k"][columns, head // (HEADS // KEY_HEADS)].double()
                v = call["v"][columns, head // (HEADS // KEY_HEADS)].double()
                scores = k @ call["q"][row, head].double() * SIZE**-0.5
                if slope is not None:
                    distances = [abs(j - (i + keys - queries)) for j in seen]
                    scores = scores - slope[head].double() * torch.tensor(distances)
                output[row, head] = scores.softmax(0) @ v
                sums[head, row] = scores.logsumexp(0)
    return output, sums


@pytest.mark.parametrize(
    ("options", "sees"),
    [
        ({}, lambda i, j: True),
        ({"causal": True}, lambda i, j: j <= i),
        ({"window_size": (1, 0)}, lambda i, j: i - 1 <= j <= i),
        ({"window_size": (-1, 1)}, lambda i, j: j <= i + 1),
        ({"causal": True, "window_size": (2, 2)}, lambda i, j: i - 2 <= j <= i),
        ({"window_size": (0, 0), "causal": True}, lambda i, j: i == j),
    ],
)
def test_without_binaries_attention_follows_the_definition(
    options: dict[str, Any], sees: Any
) -> None:
    """Grouped heads, unequal lengths, causal and window masks aligned to the ends."""
    call = arguments(**options)
    output, sums = flash_attn_varlen_func(**call)
    wanted, wanted_sums = expected(call, sees)
    torch.testing.assert_close(output.double(), wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sums.double(), wanted_sums, atol=1e-5, rtol=1e-5)


def test_alibi_slopes_are_added() -> None:
    """The penalty grows with the distance, by head."""
    slope = torch.linspace(0.1, 0.4, HEADS)
    call = arguments(alibi_slopes=slope)
    wanted, _ = expected(call, lambda i, j: True, slope)
    torch.testing.assert_close(
        flash_attn_varlen_func(**call)[0].double(), wanted, atol=1e-5, rtol=1e-5
    )


def test_a_query_that_sees_no_key_gives_zeros() -> None:
    """More queries than keys under a causal mask: the first ones see nothing."""
    call = arguments(
        q=torch.ones(4, HEADS, SIZE),
        cu_seqlens_q=packed((4,)),
        cu_seqlens_k=packed((2,)),
        causal=True,
    )
    output, sums = flash_attn_varlen_func(**call)
    assert not output[:2].any()
    assert output[2:].isfinite().all()
    assert (sums[:, :2] == -torch.inf).all()


def test_pages_give_what_packed_keys_give() -> None:
    """A block table scatters the same keys over pages of two tokens."""
    call = arguments()
    table = torch.tensor([[7, 1, 4], [2, 0, 0], [5, 3, 0]], dtype=torch.int32)
    pages_k, pages_v = torch.zeros(2, 8, 2, KEY_HEADS, SIZE)
    for n, keys in enumerate(KEYS):
        for j in range(keys):
            pages_k[table[n, j // 2], j % 2] = call["k"][sum(KEYS[:n]) + j]
            pages_v[table[n, j // 2], j % 2] = call["v"][sum(KEYS[:n]) + j]
    paged = call | {
        "k": pages_k,
        "v": pages_v,
        "cu_seqlens_k": None,
        "seqused_k": torch.tensor(KEYS, dtype=torch.int32),
        "block_table": table,
    }
    torch.testing.assert_close(flash_attn_varlen_func(**paged), flash_attn_varlen_func(**call))


def test_the_output_goes_where_it_was_asked_to() -> None:
    """`out` is filled and returned; bf16 stays bf16."""
    call = arguments(return_softmax_lse=False)
    call |= {name: call[name].bfloat16() for name in "qkv"}
    out = torch.empty_like(call["q"])
    returned = flash_attn_varlen_func(**call, out=out)
    assert returned is out
    assert torch.isfinite(out).all()


@pytest.mark.parametrize(
    "option",
    [{"softcap": 30.0}, {"dropout_p": 0.1}, {"q_descale": 1}, {"s_aux": 1}, {"q_v": 1}],
)
def test_an_argument_that_torch_would_ignore_is_refused_by_name(option: dict[str, Any]) -> None:
    """Nothing is dropped in silence."""
    name, value = next(iter(option.items()))
    value = value if isinstance(value, float) else torch.zeros(1)
    with pytest.raises(NotImplementedError, match=name):
        flash_attn_varlen_func(**arguments(**{name: value}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cu_seqlens_k": None}, "found neither"),
        ({"seqused_k": packed(KEYS)}, "found both"),
        ({"block_table": packed(KEYS)}, "expected seqused_k"),
    ],
)
def test_contradicting_keys_are_refused(changes: dict[str, Any], words: str) -> None:
    """Exactly one of the two ways to say how many keys there are."""
    with pytest.raises(ValueError, match=words):
        flash_attn_varlen_func(**arguments(**changes))


def test_fa2_gets_its_arguments_in_the_order_of_its_schema(
    registered: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch itself checks count and types against the schema that the binary registers."""
    monkeypatch.setattr(flash_attn_interface, "_version", lambda q, asked: 2)
    monkeypatch.setattr(
        flash_attn_interface, "operator", lambda n: torch.ops._vllm_fa2_C.varlen_fwd
    )
    flash_attn_varlen_func(**arguments(causal=True, window_size=(5, 6), softcap=3.0))
    call = registered["_vllm_fa2_C"]
    assert call[10:12] == [max(QUERIES), max(KEYS)]
    assert call[13:19] == [SIZE**-0.5, False, True, 5, 6, 3.0]
    with pytest.raises(NotImplementedError, match="q_descale"):
        flash_attn_varlen_func(**arguments(q_descale=torch.ones(1)))


def test_fa3_gets_its_arguments_in_the_order_of_its_schema(
    registered: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for FA3, which takes scales and no slopes."""
    monkeypatch.setattr(flash_attn_interface, "_version", lambda q, asked: 3)
    monkeypatch.setattr(flash_attn_interface, "operator", lambda n: torch.ops._vllm_fa3_C.fwd)
    scale = torch.ones(1)
    flash_attn_varlen_func(**arguments(k_descale=scale, num_splits=4, window_size=(5, 6)))
    call = registered["_vllm_fa3_C"]
    assert call[12:14] == [max(QUERIES), max(KEYS)]
    assert call[21] is not None
    assert call[23:29] == [SIZE**-0.5, False, 5, 6, 0.0, True]
    assert call[30] == 4
    with pytest.raises(NotImplementedError, match="alibi_slopes"):
        flash_attn_varlen_func(**arguments(alibi_slopes=torch.ones(HEADS)))


def test_an_absent_binary_says_how_to_get_it() -> None:
    """The reason names the module and the command."""
    assert not is_fa_version_supported(2)
    reason = fa_version_unsupported_reason(2)
    assert reason is not None
    assert "_vllm_fa2_C is not installed" in reason
    assert "VLLM_USE_PRECOMPILED=1" in reason
    assert operators.best_version() is None
    with pytest.raises(RuntimeError, match="FlashAttention 3 cannot be used"):
        get_scheduler_metadata(1, 1, 1, 1, 1, 8, torch.ones(1))
    assert fa_version_unsupported_reason(7) == "FA7: expected one of FA2, FA3"


@pytest.mark.parametrize(
    "error", [ImportError("undefined symbol: _ZN3c10"), OSError("libcudart.so.13: not found")]
)
def test_a_broken_binary_is_told_from_an_absent_one(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader's own words are kept."""

    def load(name: str) -> ModuleType:
        raise error

    monkeypatch.setattr(operators, "import_module", load)
    found = operators.probe(3)
    assert found.state == "broken"
    assert str(error) in found.reason


def test_a_binary_without_its_operator_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is the operator, not the file."""
    name = "vllm.vllm_flash_attn._vllm_fa2_C"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    build = operators.Build(module="_vllm_fa2_C", operator="nothing", capabilities=(), devices="")
    monkeypatch.setitem(operators.BUILDS, 2, build)
    assert operators.probe(2).state == "broken"
    assert "registers no operator nothing" in operators.probe(2).reason


@pytest.mark.parametrize(
    ("capability", "state"), [((9, 0), "usable"), ((8, 6), "wrong device"), (None, "wrong device")]
)
def test_a_binary_for_another_device_is_not_used(
    capability: tuple[int, int] | None,
    state: str,
    registered: dict[str, list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FA3 has code for Hopper alone."""
    name = "vllm.vllm_flash_attn._vllm_fa3_C"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert operators.probe(3).state == state


def test_the_fallback_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning with the reasons, however many calls; none for tensors of the CPU."""
    flash_attn_interface._say_fallback.cache_clear()

    class OnDevice:
        is_cuda = True

    with caplog.at_level(logging.WARNING):
        flash_attn_varlen_func(**arguments())
        assert not caplog.records
        for _ in range(3):
            assert flash_attn_interface._version(OnDevice(), None) is None
    assert len(caplog.records) == 1
    assert "_vllm_fa3_C is not installed" in caplog.text
