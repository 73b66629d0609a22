"""The picture of a build is drawn from ninja's log alone."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tools.timeline import Step, draw, read_steps

LOG = """\
# ninja log v7
5	900	2000	cubins/gemm.cubin	aa
5	900	2000	cubins/gemm.cubin.ptxas.txt	aa
2	300	1000	CMakeFiles/deep_gemm.dir/csrc/host/api.cpp.o	bb
900	1200	3000	deep_gemm/libdeep_gemm.so	cc
1	40	3000	/somewhere/cmake_install.cmake	dd
"""


def test_steps_are_read_in_the_order_in_which_they_started(tmp_path: Path) -> None:
    """A command with two outputs is one step; what configures the build is none."""
    (tmp_path / "log").write_text(LOG)
    steps = read_steps(tmp_path / "log")
    assert [step.label for step in steps] == [
        "deep_gemm: api.cpp.o",
        "gemm.cubin",
        "libdeep_gemm.so",
    ]
    assert [step.kind for step in steps] == ["object", "cubin", "binary"]


def test_earlier_builds_are_left_out(tmp_path: Path) -> None:
    """The log holds all builds of the folder; the time of the output tells them apart."""
    (tmp_path / "log").write_text(LOG)
    assert len(read_steps(tmp_path / "log", since_ns=2000)) == 2
    assert read_steps(tmp_path / "none") == ()


def test_each_step_has_a_bar_of_its_length() -> None:
    """The longest bar ends where the build does, and names are escaped."""
    steps = (Step(start=0, end=500, output="a<b.cubin"), Step(start=500, end=1000, output="c.so"))
    root = ElementTree.fromstring(draw(steps, "2 steps"))
    bars = [node for node in root.iter() if node.get("rx")]
    assert len(bars) == 2
    assert abs(float(bars[0].get("width", 0)) - float(bars[1].get("width", 0))) < 0.2
    assert "a<b.cubin" in [node.text for node in root.iter()]
