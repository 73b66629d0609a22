"""The backend: what compiles, what is loaded, and what makes the difference."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._functorch.config as functorch_config
import torch._inductor.config as inductor_config
from torch import nn

from tests.compile.small_model import (
    Model,
    batch,
    compiled,
    config,
)
from tests.compile.starts import COLD, COMPILER, WARM, run
from vllm.compilation.backends import VllmBackend
from vllm.compilation.cache import CompileCache, Store
from vllm.compilation.cache.__main__ import main as cache_command
from vllm.compilation.compiler_interface import InductorStandaloneAdaptor
from vllm.compilation.counter import compilation_counter

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def test_equal_layers_compile_once_and_a_second_start_compiles_nothing(tmp_path: Path) -> None:
    """However many layers there are."""
    assert run(tmp_path) == COLD
    assert run(tmp_path) == WARM
    assert run(tmp_path, Model(layers=7)) == {**WARM, "pieces_seen": 8}


def test_one_compilation_serves_batches_of_any_size(tmp_path: Path) -> None:
    """In the process that compiled, and in those that load."""
    run(tmp_path)
    assert run(tmp_path, size=31) == WARM
    torch._dynamo.reset()
    call = compiled(
        Model(),
        VllmBackend(config(), cache=CompileCache(store=Store(root=tmp_path)), compiler=COMPILER),
    )
    with compilation_counter.expect(num_graphs_seen=1):
        for size in (2, 9, 5):
            assert torch.allclose(call(batch(size)), Model()(batch(size)), atol=1e-6)


CHANGES: Mapping[str, tuple[Any, str, object]] = {
    "compiler.inductor.max_autotune": (inductor_config, "max_autotune", True),
    "compiler.inductor.triton.enable_pdl": (inductor_config, "triton.enable_pdl", True),
    "compiler.functorch.donated_buffer": (functorch_config, "donated_buffer", False),
}


@pytest.mark.parametrize("factor", CHANGES)
def test_a_changed_setting_recompiles_and_why_miss_names_it(
    factor: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And put back, the first entries serve again."""
    settings, name, value = CHANGES[factor]
    one_layer = Model(layers=1)
    run(tmp_path, one_layer)
    before = Store(root=tmp_path).published()
    with settings.patch({name: value}):
        assert run(tmp_path, one_layer)["compiled"] == 2
    assert run(tmp_path, one_layer)["loaded"] == 2
    assert changed_factors(tmp_path, before, capsys) == [factor]


def changed_factors(root: Path, before: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Ask `why-miss` of each old entry and the new one of the same graph."""
    store = Store(root=root)
    new = [key for key in store.published() if key not in before]
    found = set()
    for old in before:
        answers = []
        for key in new:
            capsys.readouterr()
            assert cache_command(["--cache", str(root), "why-miss", old, key, "--json"]) == 0
            answers.append([each["name"] for each in json.loads(capsys.readouterr().out)])
        found.add(min((tuple(answer) for answer in answers), key=len))
    (names,) = found
    return list(names)


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({"model": {"hidden": 16}}, "model.hidden"),
        ({"inductor_options": {"epilogue_fusion": False}}, "compilation.options.epilogue_fusion"),
    ],
)
def test_a_changed_configuration_recompiles(
    changes: dict[str, Any], factor: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model's, and how it is compiled."""
    run(tmp_path)
    before = Store(root=tmp_path).published()
    assert run(tmp_path, **changes) == COLD
    assert factor in changed_factors(tmp_path, before, capsys)


SOURCE = """
import torch

class Scaled(torch.nn.Module):
    def forward(self, x):
        return double(x) + 1

def double(x):
    return x * 2
"""


def written(folder: Path, text: str) -> nn.Module:
    """Import a model from a file of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "scaled.py").write_text(text)
    spec = importlib.util.spec_from_file_location("scaled", folder / "scaled.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model: nn.Module = module.Scaled()
    return model


def test_a_byte_of_a_traced_file_recompiles_and_its_place_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the graph is the same: what is traced is the file."""
    cache = tmp_path / "cache"
    assert run(cache, written(tmp_path / "one", SOURCE))["compiled"] == 1
    assert run(cache, written(tmp_path / "two", SOURCE))["loaded"] == 1
    before = Store(root=cache).published()
    assert run(cache, written(tmp_path / "two", SOURCE + "\n"))["compiled"] == 1
    assert changed_factors(cache, before, capsys) == ["sources.scaled.py"]


def test_a_traced_file_that_cannot_be_read_is_not_cached_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The key does not become weaker."""
    model = written(tmp_path / "gone", SOURCE)
    (tmp_path / "gone" / "scaled.py").unlink()
    assert run(tmp_path / "cache", model) == {
        "graphs_seen": 1, "pieces_seen": 1, "compiled": 1, "uncached": 1,
    }  # fmt: skip
    assert "not cached: traced source" in caplog.text
    assert Store(root=tmp_path / "cache").published() == []


def test_an_unknown_setting_is_not_cached(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor is anything served that was compiled without it."""
    run(tmp_path)
    with inductor_config.patch(post_grad_custom_post_pass=lambda graph: None):
        assert run(tmp_path)["uncached"] == 5
    said = [record for record in caplog.records if "custom_post_pass" in record.getMessage()]
    assert len(said) == 1, "five pieces, one reason, one warning"


@pytest.mark.parametrize("switch", ["VLLM_DISABLE_COMPILE_CACHE", "inductor", "eager"])
def test_a_switched_off_cache_is_neither_read_nor_written(
    switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By our variable, by Inductor's setting, or because nothing is compiled."""
    run(tmp_path / "cache")
    known = Store(root=tmp_path / "cache").published()
    if switch.startswith("VLLM"):
        monkeypatch.setenv(switch, "1")
    with inductor_config.patch(force_disable_caches=switch == "inductor"):
        if switch == "eager":
            cache = CompileCache(store=Store(root=tmp_path / "cache"))
            compiled(Model(), VllmBackend(config(compiler="eager"), cache=cache))(batch(6))
        else:
            assert run(tmp_path / "cache", model={"new": 1})["uncached"] == 5
    assert Store(root=tmp_path / "cache").published() == known


def test_inductor_s_artefacts_are_saved_loaded_and_rebuilt(tmp_path: Path) -> None:
    """The real compiler: cold, warm without any compilation, and after a flipped byte of a C++
    kernel.
    """
    model, compiler = Model(layers=1), InductorStandaloneAdaptor()
    assert run(tmp_path, model, compiler=compiler)["saved"] == 2
    assert run(tmp_path, model, size=9, compiler=compiler)["loaded"] == 2
    entry = max((tmp_path / "entries").iterdir(), key=lambda path: path.stat().st_mtime)
    kernel = max(entry.rglob("*.so"), key=lambda path: path.stat().st_size)
    data = bytearray(kernel.read_bytes())
    data[len(data) // 2] ^= 1
    kernel.write_bytes(bytes(data))
    again = run(tmp_path, model, compiler=compiler)
    assert (again["loaded"], again["quarantined"], again["compiled"], again["saved"]) == (
        1,
        1,
        1,
        1,
    )
    assert run(tmp_path, model, compiler=compiler)["loaded"] == 2


def test_bundled_artefacts_are_saved_and_loaded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inductor's ahead-of-time format, under a key of its own."""
    model, compiler = written(tmp_path / "model", SOURCE), InductorStandaloneAdaptor()
    assert run(tmp_path / "cache", model, compiler=compiler)["saved"] == 1
    monkeypatch.setenv("VLLM_USE_MEGA_AOT_ARTIFACT", "1")
    assert run(tmp_path / "cache", model, compiler=compiler)["saved"] == 1
    assert run(tmp_path / "cache", model, compiler=compiler)["loaded"] == 1
    monkeypatch.delenv("VLLM_USE_MEGA_AOT_ARTIFACT")
    assert run(tmp_path / "cache", model, compiler=compiler)["loaded"] == 1


@pytest.mark.usefixtures("silent_torch")
def test_a_piece_whose_sizes_cannot_be_described_is_compiled_once_and_used(tmp_path: Path) -> None:
    """It is not saved, and not compiled a second time for that."""
    counted = run(tmp_path / "cache", written(tmp_path / "model", SOURCE))
    assert counted == {"graphs_seen": 1, "pieces_seen": 1, "compiled": 1, "uncached": 1}
    assert Store(root=tmp_path / "cache").published() == []
