"""The table of configurations, and the choice among them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vllm.third_party.deep_gemm import _C
from vllm.third_party.deep_gemm.__main__ import main

CONFIGS = {config["name"]: config for config in _C.configs()}


def test_every_configuration_has_its_cubin() -> None:
    """As many as rows, named after them, and together below 4 MB."""
    cubins = _C.cubins()
    assert set(cubins) == {f"gemm_{name}" for name in CONFIGS}
    assert sum(map(len, cubins.values())) < 4 << 20
    assert _C.self_test()["cubins"] == len(cubins)


@pytest.mark.parametrize("kind", sorted({config["kind"] for config in CONFIGS.values()}))
@pytest.mark.parametrize("output_bytes", [2, 4])
def test_the_choice_is_the_lowest_estimate_of_kind_and_output(kind: str, output_bytes: int) -> None:
    """Over extents from one row to thousands, and for a GPU with few multiprocessors."""
    served = {
        name
        for name, config in CONFIGS.items()
        if (config["kind"], config["output_bytes"]) == (kind, output_bytes)
    }
    steering = (kind, 8, 100) if kind.endswith("grouped") else (kind,)
    if not served:
        with pytest.raises(ValueError, match=f"expected {kind} with an output that it has"):
            _C.explain(64, 64, 64, output_bytes, 132, *steering)
        return
    for m in (1, 64, 65, 1000, 8192):
        for n in (8, 2112, 32768):
            for multiprocessors in (1, 78, 132):
                chosen, rows = _C.explain(m, n, 7168, output_bytes, multiprocessors, *steering)
                assert chosen == min(rows, key=lambda row: row["cycles"])["name"]
                assert {row["name"] for row in rows} == served


def test_names_tell_what_a_configuration_serves() -> None:
    """Kind, major-ness and grouping are columns, for benchmarks and tests to select by."""
    for config in CONFIGS.values():
        kind = config["kind"]
        assert config["grouped"] == kind.endswith("_grouped")
        assert config["family"] == ("fp8_row_scales" if "row" in kind else kind.split("_")[0])
        letters = kind.split("_")[1] if kind.startswith("bf16") else "nt"
        assert config["a_major"] == ("k" if letters[0] == "n" else "mn")
        assert config["b_major"] == ("k" if letters in {"nt", "tt"} else "mn")


def test_expected_rows_steer_masked_groups() -> None:
    """Few expected rows of many possible ones take low tiles, many take high ones."""
    few, rows = _C.explain(4096, 7168, 2048, 2, 132, "fp8_grouped", 2, 20)
    many, _ = _C.explain(4096, 7168, 2048, 2, 132, "fp8_grouped", 6, 1024)
    assert CONFIGS[few]["tile_m"] < CONFIGS[many]["tile_m"]
    tiles = {row["name"]: row["tiles"] for row in rows}
    assert tiles["fp8_grouped_m64n128_bf16"] == 2 * 7168 // 128


def test_few_tiles_split_k_and_many_tiles_do_not() -> None:
    """A decode shape with few output tiles is split, a large one is not."""
    decode, _ = _C.explain(64, 2112, 7168, 2, 132)
    prefill, _ = _C.explain(4096, 7168, 2048, 2, 132)
    assert CONFIGS[decode]["split_k"] > 1
    assert CONFIGS[prefill]["split_k"] == 1


def test_k_is_split_where_no_other_block_reads_the_same_columns() -> None:
    """One tile for all 128 rows: two, each split, would let B come from device memory twice."""
    chosen, found = _C.explain(128, 2112, 7168, 2, 132)
    rows = {row["name"]: row for row in found}
    assert chosen == "fp8_m128n32k2_bf16"
    assert rows[chosen]["waves"] == rows["fp8_m64n64k2_bf16"]["waves"] == 1
    assert rows["fp8_m64n64k2_bf16"]["load_cycles"] < rows[chosen]["load_cycles"]


@pytest.mark.parametrize(
    ("m", "n", "k", "kind", "early", "chosen"),
    [
        (64, 4096, 7168, "fp8", False, "m64n64k2"),
        (64, 2112, 7168, "fp8", False, "m64n32k2"),
        (64, 2112, 7168, "fp8", True, "m64n64k3"),
        (128, 2112, 7168, "fp8", True, "m64n64k2"),
        (128, 4096, 7168, "fp8", False, "m128n64k2"),
        (128, 7168, 16384, "fp8", True, "m128n64"),
        (64, 32768, 512, "fp8", False, "m64n64x2"),
        (128, 32768, 512, "fp8", False, "m64n128x2"),
        (64, 24576, 1536, "fp8", False, "m64n64"),
        (128, 2112, 7168, "bf16_nt", False, "m128n32k2"),
        (128, 24576, 1536, "bf16_nt", False, "m64n128"),
        (4096, 2112, 7168, "bf16_nt", False, "m128n176"),
        (8192, 2112, 7168, "bf16_nt", False, "m256n176"),
        (8192, 24576, 1536, "bf16_nt", False, "m128n256"),
    ],
)
def test_the_choice_is_the_measured_one(
    m: int, n: int, k: int, kind: str, early: bool, chosen: str
) -> None:
    """Where the fastest is another than for shapes beside it, or with weights that are read early
    (benchmarks/results/h200_choice*).
    """
    assert _C.explain(m, n, k, 2, 132, kind, 0, 0, early)[0] == f"{kind}_{chosen}_bf16"


def test_row_tiles_of_a_dense_product_share_what_they_read_of_b() -> None:
    """Two of 64 rows load for little longer than one of 128; of groups each tile counts for
    itself.
    """
    loads = {}
    for kind, rows, steering in (("fp8", 128, ()), ("fp8_grouped", 4096, (1, 128))):
        _, found = _C.explain(rows, 24576, 1536, 2, 132, kind, *steering)
        loads[kind] = {row["name"].removeprefix(kind): row["load_cycles"] for row in found}
    assert 1 < loads["fp8"]["_m64n128_bf16"] / loads["fp8"]["_m128n64_bf16"] < 1.05
    assert loads["fp8_grouped"]["_m64n128_bf16"] == loads["fp8_grouped"]["_m128n128_bf16"]


def test_explain_refuses_extents_that_are_none() -> None:
    """Zero rows have no tiles."""
    with pytest.raises(ValueError, match="explain: expected m, n >= 1"):
        _C.explain(0, 8, 128, 2, 132)
    with pytest.raises(ValueError, match="explain: expected no groups for fp8, got groups=2"):
        _C.explain(8, 8, 128, 2, 132, "fp8", 2)
    with pytest.raises(ValueError, match="explain: expected groups >= 1"):
        _C.explain(8, 8, 128, 2, 132, "fp8_grouped")
    with pytest.raises(ValueError, match="kind: expected one of configs"):
        _C.explain(8, 8, 128, 2, 132, "fp4")
    with pytest.raises(ValueError, match="config: expected a name of configs"):
        _C.force_config("m1n1")


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a configuration under the headings."""
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(CONFIGS)
    assert lines[0].split()[:3] == ["name", "kind", "family"]


def test_the_command_explains_a_choice(capsys: pytest.CaptureFixture[str]) -> None:
    """Candidates from the cheapest on, the chosen one marked; as JSON too."""
    assert main(["64", "2112", "7168"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("->")
    assert main(["64", "2112", "7168", "--json", "--output", "f32"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["chosen"] == "->"
    assert all(row["name"].endswith("_f32") for row in rows)
    assert main(["64", "2112", "7168", "--json", "--kind", "bf16_nn_grouped", "--groups", "4"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {CONFIGS[row["name"]]["kind"] for row in rows} == {"bf16_nn_grouped"}


def test_the_command_refuses_what_it_cannot_explain(capsys: pytest.CaptureFixture[str]) -> None:
    """Two extents, or none of them positive, end with 2 and one line."""
    for arguments, said in (
        (["64", "2112"], "expected M N K, three numbers, or none"),
        (["0", "2112", "7168"], "multiprocessors >= 1, got m=0, n=2112, k=7168, output_bytes=2, "),
        (["8", "8", "7160"], "K: expected a multiple of 16 for fp8, got 7160"),
        (["8", "8", "7156", "--kind", "bf16_nt"], "K: expected a multiple of 8 for bf16_nt"),
        (["8", "8", "8", "--kind", "bf16_nn_grouped", "--output", "f32"], "f32: expected bf16, "),
        (["--kind", "fp8_row_scales", "--output", "bf16"], "--output bf16: expected f32, which"),
        (["--groups", "4"], "expected M N K"),
    ):
        assert main(arguments) == 2
        shown = capsys.readouterr().err
        assert shown.startswith("error: ")
        assert said in shown


def test_the_table_is_of_the_kind_and_output_that_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And a kind with one output is explained with that one."""
    assert main(["--kind", "bf16_nt", "--output", "f32", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["kind"], row["output_bytes"]) for row in rows} == {("bf16_nt", 4)}
    assert main(["--output", "f32", "--json"]) == 0
    assert {row["output_bytes"] for row in json.loads(capsys.readouterr().out)} == {4}
    assert main(["8", "8", "128", "--kind", "fp8_row_scales"]) == 0
    assert "_f32" in capsys.readouterr().out


def test_importing_it_imports_no_torch() -> None:
    """The wheel imports in a bare interpreter."""
    code = "import sys, vllm.third_party.deep_gemm; print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[4]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_a_reader_that_stops_early_is_no_error() -> None:
    """The table ends where the reader does, without a traceback."""
    command = [sys.executable, "-u", "-m", "vllm.third_party.deep_gemm"]
    shown = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert shown.stdout is not None
    shown.stdout.close()
    _, said = shown.communicate()
    assert said == b""
