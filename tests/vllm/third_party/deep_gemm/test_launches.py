"""What the host code asks of the driver: seen by a stand-in driver, so on any machine."""

from __future__ import annotations

from tests.vllm.third_party.deep_gemm.conftest import Run

CLUSTER_DIMENSION = "4"  # CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
DEPENDENT = "6"  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION


def test_empty_problems_launch_nothing(run: Run) -> None:
    """m = 0 and n = 0 return at once, on a machine without any driver too."""
    lines = "call(m=0)\ncall(n=0)\nprint('returned')"
    assert run(lines).launches == []
    assert run(lines, driver=False).lines == ["returned"]


def test_k_of_zero_is_launched_without_operand_maps(run: Run) -> None:
    """k = 0 still writes d: one launch, and no map is made of an empty operand."""
    assert len(run("call(k=0)").launches) == 1


def test_every_configuration_fits_its_launch(run: Run) -> None:
    """Blocks, threads, shared memory and cluster of each launch are the configuration's."""
    outcome = run(
        """
for config in _C.configs():
    _C.force_config(config["name"])
    call(m=1000, n=1000, output={2: "bf16", 4: "f32"}[config["output_bytes"]])
    tiles = -(-1000 // config["tile_m"]) * -(-1000 // config["tile_n"])
    blocks = tiles * config["split_k"] if config["split_k"] > 1 else min(tiles, 132)
    print(blocks, config["threads"], config["shared_bytes"], config["split_k"])
"""
    )
    assert len(outcome.launches) == len(outcome.lines) > 10
    for launch, line in zip(outcome.launches, outcome.lines, strict=True):
        blocks, threads, shared, split = line.split()
        assert launch[:3] == [blocks, threads, shared]
        assert launch[4:] == ([] if split == "1" else [f"{CLUSTER_DIMENSION}:{split}"])


def test_a_limit_of_multiprocessors_bounds_the_blocks(run: Run) -> None:
    """set_num_sms counts for persistent kernels, 0 lifts it; other numbers are refused."""
    outcome = run(
        """
print(deep_gemm.get_num_sms())
deep_gemm.set_num_sms(7)
print(deep_gemm.get_num_sms())
call(m=4096, n=4096)
deep_gemm.set_num_sms(0)
call(m=4096, n=4096)
for wrong in (-1, 5000):
    try:
        deep_gemm.set_num_sms(wrong)
    except ValueError as error:
        print(error)
"""
    )
    assert [launch[0] for launch in outcome.launches] == ["7", "132"]
    expected = "num_sms: expected 1 to 1024, or 0 for all of the device, got"
    assert outcome.lines == ["132", "7", f"{expected} -1", f"{expected} 5000"]


def test_dependent_launch_is_an_attribute_only_where_it_is_set(run: Run) -> None:
    """set_pdl changes later launches, and get_pdl tells it."""
    outcome = run(
        """
call(m=4096, n=4096)
deep_gemm.set_pdl(True)
print(deep_gemm.get_pdl())
call(m=4096, n=4096)
deep_gemm.set_pdl(False)
call(m=4096, n=4096)
"""
    )
    assert outcome.lines == ["True"]
    assert [launch[4:] for launch in outcome.launches] == [[], [f"{DEPENDENT}:1"], []]


def test_threads_launch_side_by_side(run: Run) -> None:
    """Eight threads, first calls among them: each call is one launch, and none is lost."""
    outcome = run(
        """
import threading
def work():
    for _ in range(20):
        call(m=300, n=200)
        call(m=1, n=4096)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    )
    assert len(outcome.launches) == 8 * 40
