"""The compiled kernels' machine code: read on any machine, also where no GPU runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from vllm.third_party.deep_gemm import _C

CONFIGS = {config["name"]: config for config in _C.configs()}


def disassembler() -> str | None:
    """The toolkit's nvdisasm, or the one of the package nvidia-cuda-nvdisasm."""
    packaged = Path(sysconfig.get_path("purelib"), "nvidia", "cu13", "bin", "nvdisasm")
    return shutil.which("nvdisasm") or (str(packaged) if packaged.is_file() else None)


@pytest.fixture(scope="module", params=CONFIGS)
def machine_code(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[_C.Config, str]:
    """One configuration and its kernel's SASS."""
    tool = disassembler()
    if tool is None:
        pytest.skip("needs nvdisasm")
    cubin = tmp_path_factory.mktemp("sass") / "kernel.cubin"
    cubin.write_bytes(_C.cubins()[f"gemm_{request.param}"])
    listing = subprocess.run([tool, str(cubin)], check=True, capture_output=True, text=True).stdout
    return CONFIGS[request.param], listing


def test_kernels_multiply_on_their_tensor_cores_and_copy_tensors_in_bulk(
    machine_code: tuple[_C.Config, str],
) -> None:
    """QGMMA (e4m3) or HGMMA (bf16) of the tile's width, and bulk tensor copies (UTMALDG, UTMASTG)
    of three dimensions.
    """
    config, listing = machine_code
    fp8 = config["family"] != "bf16"
    wanted = r"QGMMA\.64x(\d+)x32\.F32\.E4M3\.E4M3" if fp8 else r"HGMMA\.64x(\d+)x16\.F32\.BF16"
    assert set(re.findall(wanted, listing)) == {str(config["tile_n"])}
    assert len(re.findall(r"\bUTMALDG\.3D\b", listing)) >= (3 if fp8 else 2)
    assert re.search(r"\bUTMASTG\.3D\b", listing)
    assert bool(re.search(r"\bUTMAPF\.L2\.3D\b", listing)) == (not config["grouped"])
    assert not re.search(r"\bHMMA\b", listing)
    assert ("HGMMA" in listing, "QGMMA" in listing) == (not fp8, fp8)


def test_kernels_spill_nothing(machine_code: tuple[_C.Config, str]) -> None:
    """No load from or store to local memory; warp groups trade registers where there are three, or
    two blocks share a multiprocessor.
    """
    config, listing = machine_code
    assert re.findall(r"\b(?:LDL|STL)\b", listing) == []
    assert ("USETMAXREG" in listing) == (config["threads"] * config["blocks"] > 256)


def test_both_roles_wait_for_the_last_kernel_before_they_read(
    machine_code: tuple[_C.Config, str],
) -> None:
    """ACQBULK (griddepcontrol.wait) stands once for consumers and once for the producer, PREEXIT
    (launch_dependents) behind it: at the end, and in the loop that loads where rows are not grouped
    and a k step of B is 16 KiB or less. Before the consumers' wait no load stands but the
    early read of scale_b for blocks where rows are not grouped, which a branch leaves out: one for
    each that a tile touches. Before the producer's wait, none. And where tiles are known before it
    none is of memory that is thought constant (LDG.E.CONSTANT): a compiler may move those.
    """
    config, listing = machine_code
    consumers, producer, loads = listing.split("ACQBULK")
    in_loop = not config["grouped"] and config["tile_n"] <= 128
    assert listing.count("PREEXIT") == loads.count("PREEXIT") == 1 + in_loop
    early = 2 if config["family"] == "fp8" and not config["grouped"] else 0
    assert len(re.findall(r"\bLDG\b", consumers)) <= early
    assert not re.search(r"\bLDG\b", producer.rpartition("ELECT")[2])
    assert ("LDG.E.CONSTANT" in listing) == config["grouped"]


def test_a_dense_block_begins_with_loads(machine_code: tuple[_C.Config, str]) -> None:
    """B's early loads stand before the block meets, hence before any wait; and behind the
    producer's wait no tile is worked out (a division: UIMAD.WIDE) before the ring is full: each
    instruction there is a cycle of every call.
    """
    config, listing = machine_code
    consumers, _, producer = listing.split("ACQBULK")
    assert ("UTMALDG" in consumers) == (not config["grouped"])
    if not config["grouped"]:
        filling = producer.split("SYNCS.PHASECHK")[0]
        assert "UTMALDG" in filling
        assert "WIDE" not in filling


def test_wgmmas_of_a_step_follow_each_other(machine_code: tuple[_C.Config, str]) -> None:
    """One commit (gsb0) for the four or more of a k step: otherwise ptxas has serialised them. And
    no WARPSYNC.ALL among them, which stands where it could not see that a consumer's warps go
    together: then each descriptor also comes out of vector registers, for 3 to 9 % of a product.
    """
    _, listing = machine_code
    wgmmas = re.findall(r"[HQ]GMMA\..*", listing)
    committed = [line for line in wgmmas if "gsb0" in line]
    assert 0 < 4 * len(committed) <= len(wgmmas)
    assert "WARPSYNC.ALL" not in listing[listing.index(wgmmas[0]) : listing.rindex(wgmmas[-1])]
