from typing import TypedDict

class Config(TypedDict):
    name: str
    tile_m: int
    tile_n: int
    stages: int
    output_bytes: int
    split_k: int
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
    a: object, scale_a: object, b: object, scale_b: object, d: object, c: object | None, /
) -> None: ...
def configs() -> list[Config]: ...
def explain(
    m: int, n: int, k: int, output_bytes: int, multiprocessors: int, /
) -> tuple[str, list[Estimate]]: ...
def cubins() -> dict[str, bytes]: ...
def self_test() -> Counts: ...
def set_num_sms(limit: int, /) -> None: ...
def get_num_sms(device: int, /) -> int: ...
def set_pdl(allowed: bool, /) -> None: ...
def get_pdl() -> bool: ...
def force_config(name: str | None, /) -> None: ...
