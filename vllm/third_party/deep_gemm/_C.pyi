from collections.abc import Callable, Sequence
from typing import Any, Literal, TypedDict

# Makes an MN-major tensor of scale factors that no bulk copy can read.
Copy = Callable[[Any], object] | None

class Config(TypedDict):
    name: str
    kind: str
    family: Literal["fp8", "fp8_row_scales", "bf16"]
    a_major: Literal["k", "mn"]
    b_major: Literal["k", "mn"]
    grouped: bool
    tile_m: int
    tile_n: int
    stages: int
    output_bytes: int
    split_k: int
    blocks: int
    threads: int
    shared_bytes: int

class Estimate(TypedDict):
    name: str
    tiles: int
    waves: int
    multiply_cycles: float
    load_cycles: float
    memory_cycles: float
    cycles: float

class Counts(TypedDict):
    configs: int
    cubins: int
    cubin_bytes: int
    problems: int

def fp8_gemm_nt(
    a: object,
    scale_a: object,
    b: object,
    scale_b: object,
    d: object,
    c: object | None,
    copy: Copy,
    /,
) -> None: ...
def fp8_gemm_nt_row_scales(
    a: object,
    scale_a: object,
    b: object,
    scale_b: object,
    d: object,
    c: object | None,
    copy: Copy,
    /,
) -> None: ...
def m_grouped_fp8_gemm_nt_contiguous(
    a: object,
    scale_a: object,
    b: object,
    scale_b: object,
    d: object,
    grouped_layout: object,
    copy: Copy,
    use_psum_layout: bool,
    expected_m: int | None,
    /,
) -> None: ...
def m_grouped_fp8_gemm_nt_masked(
    a: object,
    scale_a: object,
    b: object,
    scale_b: object,
    d: object,
    masked_m: object,
    copy: Copy,
    expected_m: int,
    /,
) -> None: ...
def fp8_gemm_nt_k_grouped(
    function: str,
    ks: Sequence[int],
    a: object,
    scale_a: object,
    b: object,
    scale_b: object,
    d: object,
    c: object | None,
    copy: Copy,
    /,
) -> None: ...
def bf16_gemm_nt(a: object, b: object, d: object, c: object | None, /) -> None: ...
def m_grouped_bf16_gemm_nt_contiguous(
    a: object,
    b: object,
    d: object,
    grouped_layout: object,
    use_psum_layout: bool,
    expected_m: int | None,
    /,
) -> None: ...
def m_grouped_bf16_gemm_nt_masked(
    a: object, b: object, d: object, masked_m: object, expected_m: int, /
) -> None: ...
def bf16_gemm_nt_k_grouped(
    function: str, ks: Sequence[int], a: object, b: object, d: object, c: object | None, /
) -> None: ...
def configs() -> list[Config]: ...
def explain(
    m: int,
    n: int,
    k: int,
    output_bytes: int,
    multiprocessors: int,
    kind: str = "fp8",
    groups: int = 0,
    expected_m: int = 0,
    early_weights: bool = False,
    /,
) -> tuple[str, list[Estimate]]: ...
def cubins() -> dict[str, bytes]: ...
def self_test() -> Counts: ...
def set_num_sms(limit: int, /) -> None: ...
def get_num_sms(device: int, /) -> int: ...
def set_pdl(allowed: bool, /) -> None: ...
def get_pdl() -> bool: ...
def set_early_weights(allowed: bool, /) -> None: ...
def get_early_weights() -> bool: ...
def set_mk_alignment(rows: int, /) -> None: ...
def get_mk_alignment() -> int: ...
def set_tc_util(per_cent: int, /) -> None: ...
def get_tc_util() -> int: ...
def force_config(name: str | None, /) -> None: ...
