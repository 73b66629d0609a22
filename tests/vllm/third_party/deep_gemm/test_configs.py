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


@pytest.mark.parametrize("output_bytes", [2, 4])
def test_the_choice_is_the_lowest_estimate_of_the_output_type(output_bytes: int) -> None:
    """Over extents from one row to thousands, and for a GPU with few multiprocessors."""
    for m in (1, 64, 65, 1000, 8192):
        for n in (8, 2112, 32768):
            for multiprocessors in (1, 78, 132):
                chosen, rows = _C.explain(m, n, 7168, output_bytes, multiprocessors)
                assert chosen == min(rows, key=lambda row: row["cycles"])["name"]
                assert CONFIGS[chosen]["output_bytes"] == output_bytes


def test_few_tiles_split_k_and_many_tiles_do_not() -> None:
    """A decode shape with few output tiles is split, a large one is not."""
    decode, _ = _C.explain(64, 2112, 7168, 2, 132)
    prefill, _ = _C.explain(4096, 7168, 2048, 2, 132)
    assert CONFIGS[decode]["split_k"] > 1
    assert CONFIGS[prefill]["split_k"] == 1


def test_explain_refuses_extents_that_are_none() -> None:
    """Zero rows have no tiles."""
    with pytest.raises(ValueError, match="explain: expected m, n >= 1"):
        _C.explain(0, 8, 128, 2, 132)
    with pytest.raises(ValueError, match="config: expected a name of configs"):
        _C.force_config("m1n1")


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a configuration under the headings."""
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(CONFIGS)
    assert lines[0].split()[:3] == ["name", "tile_m", "tile_n"]


def test_the_command_explains_a_choice(capsys: pytest.CaptureFixture[str]) -> None:
    """Candidates from the cheapest on, the chosen one marked; as JSON too."""
    assert main(["64", "2112", "7168"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("->")
    assert main(["64", "2112", "7168", "--json", "--output", "f32"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["chosen"] == "->"
    assert all(row["name"].endswith("_f32") for row in rows)


def test_the_command_refuses_what_it_cannot_explain(capsys: pytest.CaptureFixture[str]) -> None:
    """Two extents, or none of them positive, end with 2 and one line."""
    assert main(["64", "2112"]) == 2
    assert main(["0", "2112", "7168"]) == 2
    assert capsys.readouterr().err.count("error: ") == 2


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
