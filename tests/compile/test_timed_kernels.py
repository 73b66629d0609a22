"""Where a loaded Triton kernel looks for the best of its configurations."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._inductor import config
from torch._inductor.async_compile import AsyncCompile
from torch._inductor.runtime import autotune_cache
from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir
from torch._inductor.triton_bundler import TritonBundler

from vllm.compilation import inductor_artifact
from vllm.compilation.timed_kernels import timed_where_compiled

SOURCE = "/gone/x2/cx2aevm2.py"


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return the paths of the kernels that Inductor's own method was given."""
    paths: list[str | None] = []

    def load(autotuners: list[Any] | None) -> list[str]:
        paths.extend(each.kernel.filename for each in autotuners or ())
        return ["name"]

    monkeypatch.setattr(TritonBundler, "load_autotuners", staticmethod(load))
    return paths


def saved(*sources: str | None) -> list[Any]:
    return [SimpleNamespace(kernel=SimpleNamespace(filename=source)) for source in sources]


def test_a_kernel_finds_its_answer_where_the_artefact_was_unpacked(
    tmp_path: Path, loaded: list[str | None]
) -> None:
    """One without a source has none, and Inductor's answer passes through."""
    with temporary_cache_dir(str(tmp_path)), timed_where_compiled():
        assert TritonBundler.load_autotuners(saved(SOURCE, None)) == ["name"]
        assert TritonBundler.load_autotuners(None) == ["name"]
    assert loaded == [str(tmp_path / "x2" / "cx2aevm2.py"), None]


def test_loading_an_entry_names_its_folder_and_starts_no_workers(
    tmp_path: Path, loaded: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inductor would start one per core for the first Triton kernel that it meets."""

    workers: list[bool] = []

    def load(_folder: Path) -> None:
        TritonBundler.load_autotuners(saved(SOURCE))
        workers.append(AsyncCompile.use_process_pool())

    monkeypatch.setattr(AsyncCompile, "use_process_pool", staticmethod(lambda: True))
    monkeypatch.setattr(inductor_artifact, "_loaded", load)
    inductor_artifact.load(tmp_path)
    assert workers == [False]
    assert loaded == [str(tmp_path / inductor_artifact.BINARIES / "x2" / "cx2aevm2.py")]
    assert AsyncCompile.use_process_pool()


@pytest.mark.parametrize("kept_elsewhere", [False, True])
def test_loading_makes_triton_s_driver_only_for_answers_that_are_kept_elsewhere(
    kept_elsewhere: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inductor asks for its name at each load, whatever the device, and reads it then alone."""
    asked: list[Any] = []

    def load(_folder: Path | None = None) -> None:
        asked.append(autotune_cache.inductor_meta_from_config()["backend_hash"])

    monkeypatch.setattr(autotune_cache, "has_triton", lambda: True)
    monkeypatch.setattr(torch.utils._triton, "triton_hash_with_backend", lambda: "name")
    monkeypatch.setattr(inductor_artifact, "_loaded", load)
    with config.patch(bundled_autotune_remote_cache=kept_elsewhere):
        inductor_artifact.load(tmp_path)
    load()
    assert asked == ["name" if kept_elsewhere else None, "name"]


def test_other_threads_and_later_loads_are_left_alone(
    tmp_path: Path, loaded: list[str | None]
) -> None:
    """They load what Inductor itself has kept."""
    before = vars(TritonBundler)["load_autotuners"]
    with temporary_cache_dir(str(tmp_path)), timed_where_compiled():
        other = threading.Thread(target=lambda: TritonBundler.load_autotuners(saved(SOURCE)))
        other.start()
        other.join()
    assert vars(TritonBundler)["load_autotuners"] is before
    TritonBundler.load_autotuners(saved(SOURCE))
    assert loaded == [SOURCE, SOURCE]


def test_a_torch_without_such_kernels_loads_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is put in the place of nothing."""
    monkeypatch.delattr(TritonBundler, "load_autotuners")
    with timed_where_compiled():
        assert not hasattr(TritonBundler, "load_autotuners")


def test_inductor_keeps_the_answers_in_the_folder_that_is_named(tmp_path: Path) -> None:
    """So that a path is all that has to move: they are saved by folder and name, read beside the
    source.
    """
    from torch._inductor.runtime import autotune_cache

    source = tmp_path / "x2" / "cx2aevm2.py"
    cache = autotune_cache.AutotuneCache.create({"autotune_local_cache": True}, str(source), "hash")
    assert cache is not None
    assert cache.local_cache is not None
    folder, name = Path(cache.local_cache[1]).parent, Path(cache.local_cache[1]).name
    assert folder == source.parent
    artefact = autotune_cache.AutotuneCacheArtifact(f"x2/{name}", b'{"num_warps": 4}')
    with temporary_cache_dir(str(tmp_path)):
        artefact.populate_cache()
    assert (folder / name).is_file()
