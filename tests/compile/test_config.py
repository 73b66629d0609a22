"""Settings and the key: each one flipped changes it, put back restores it, and threads agree."""

from __future__ import annotations

import contextvars
import copy
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch._functorch.config as functorch_config
import torch._inductor.config as inductor_config
from torch._inductor import codecache
from torch._inductor.runtime import triton_compat

from vllm.compilation import compiler_interface, compiler_settings
from vllm.compilation.compiler_interface import (
    InductorStandaloneAdaptor,
    _get_vllm_functorch_config,
    get_inductor_factors,
    set_functorch_config,
)
from vllm.compilation.device_factors import environment_factors
from vllm.compilation.factors import Factors, UnkeyableError, canonical_json, differences

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {"inductor": inductor_config, "functorch": functorch_config}


def key() -> str:
    return canonical_json(get_inductor_factors())


def flipped(value: object) -> object:
    """Return another value of the same type, None where there is no obvious one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value} and more" if isinstance(value, str) else None


@pytest.mark.parametrize("name", CONFIGS)
def test_every_setting_flipped_changes_the_key_and_restored_restores_it(name: str) -> None:
    """But for those of which it is written down that they change no code, and those that we set
    ourselves.
    """
    config, before = CONFIGS[name], key()
    tried, silent = 0, set()
    for setting, entry in config._config.items():
        changed = flipped(entry.default)
        if entry.alias is not None or getattr(entry, "deprecated", False) or changed is None:
            continue
        tried += 1
        with config.patch({setting: changed}):
            if key() == before:
                silent.add(setting)
    assert key() == before
    assert tried > 40
    ours = set(_get_vllm_functorch_config()) if name == "functorch" else set()
    expected = compiler_settings.WITHOUT_EFFECT
    assert {s for s in silent - ours if not s.startswith(expected)} == set()


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_are_read_as_torch_saves_them(name: str) -> None:
    """Whichever is changed, in this thread or not; torch's own copies take longer than a key."""
    config = CONFIGS[name]
    assert compiler_settings._reads_as_torch(config)
    with ThreadPoolExecutor(1) as pool:
        for setting, entry in config._config.items():
            changed = flipped(entry.default)
            if entry.alias is not None or changed is None:
                continue
            with config.patch({setting: changed}):
                assert compiler_settings._read(config) == compiler_settings._saved(config)
                there = pool.submit(lambda: compiler_settings._read(config)).result()
                assert there == pool.submit(lambda: compiler_settings._saved(config)).result()


def change_in_place(held: Any) -> None:
    if isinstance(held, dict):
        held["changed"] = 1
    elif isinstance(held, set):
        held.add("changed")
    else:
        held.append("changed")


@pytest.mark.parametrize("name", CONFIGS)
def test_a_collection_that_is_changed_in_its_place_changes_the_key(name: str) -> None:
    """Nothing is remembered of what a setting was."""
    config, before, tried = CONFIGS[name], key(), 0
    for setting, entry in config._config.items():
        if entry.alias is not None or not isinstance(entry.default, list | dict | set):
            continue
        if setting.startswith((*compiler_settings.WITHOUT_EFFECT, "_cache_config", "_save_config")):
            continue
        tried += 1
        with config.patch({setting: copy.copy(entry.default)}):
            change_in_place(getattr(config, setting))
            assert key() != before, setting
    assert key() == before
    assert tried > 0 or name == "functorch"


class UnknownSettings:
    """A configuration of a torch that keeps it in another way."""

    made: object = None

    def __init__(self, entries: dict[str, Any] | None) -> None:
        self._config = entries
        self._cache_config_factory_keys = ["made"]

    def __getattr__(self, name: str) -> object:
        return getattr(type(self), name)

    def save_config_portable(self, *, ignore_private_configs: bool) -> dict[str, object]:
        return {"made": self.made and "named", "saved": not ignore_private_configs}


@pytest.mark.parametrize("entries", [None, {}, {"made": SimpleNamespace(alias=None)}])
def test_a_torch_whose_settings_read_otherwise_is_asked_itself(
    entries: dict[str, Any] | None,
) -> None:
    """Slower, and never with fewer settings."""
    expected = {"made": None, "saved": True}
    assert compiler_settings.snapshot(UnknownSettings(entries), "other") == expected


def test_torch_names_what_is_set_to_a_maker_of_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `inductor_choices_class`, whose objects have a uuid()."""
    config = UnknownSettings({"made": SimpleNamespace(alias=None)})
    monkeypatch.setattr(compiler_settings, "_reads_as_torch", lambda _: True)
    assert compiler_settings.snapshot(config, "other") == {"made": None}
    monkeypatch.setattr(UnknownSettings, "made", object)
    assert compiler_settings.snapshot(config, "other") == {"made": "named", "saved": True}


@pytest.mark.parametrize(
    ("config", "setting", "value"),
    [
        (inductor_config, "max_autotune", True),
        (inductor_config, "triton.cudagraphs", True),
        (inductor_config, "joint_graph_constant_folding", False),
        (functorch_config, "donated_buffer", False),
        (functorch_config, "activation_memory_budget", 0.5),
    ],
)
def test_the_difference_names_the_setting(config: Any, setting: str, value: object) -> None:
    """Not only that something changed: what, from what, to what."""
    adaptor = InductorStandaloneAdaptor()
    before = Factors(compiler=adaptor.factors())
    was = getattr(config, setting)
    with config.patch({setting: value}):
        after = Factors(compiler=adaptor.factors())
    kind = "inductor" if config is inductor_config else "functorch"
    (found,) = differences(before, after)
    assert (found.name, found.before, found.after) == (f"compiler.{kind}.{setting}", was, value)
    assert before.key != after.key == after.key.lower()
    assert len(after.key) == 64
    assert Factors(compiler=adaptor.factors()).key == before.key


def in_this_context(work: Callable[[], str]) -> Callable[[], str]:
    """Let a thread see this one's settings: since torch 2.13 each has its own."""
    context = contextvars.copy_context()
    return lambda: context.run(work)


def test_eight_threads_agree_while_others_read_and_compile() -> None:
    """Nothing is patched to be read, so nobody sees a half-patched setting."""
    before, agreed = key(), threading.Barrier(8)

    def read() -> str:
        agreed.wait()
        keys = {key() for _ in range(5)}
        set_functorch_config()
        return "|".join(keys | {key()})

    tasks = [in_this_context(read) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda task: task(), tasks)) == {before}


def test_reading_factors_leaves_the_settings_alone() -> None:
    """The overlay is put over a copy."""
    wanted = not _get_vllm_functorch_config()["bundled_autograd_cache"]
    with functorch_config.patch(bundled_autograd_cache=wanted):
        get_inductor_factors()
        assert functorch_config.bundled_autograd_cache is wanted


def test_the_key_and_the_compilation_have_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is applied before compiling changes no key: cold and warm see the same."""
    with functorch_config.patch(bundled_autograd_cache=functorch_config.bundled_autograd_cache):
        for mega in ("1", "0"):
            monkeypatch.setenv("VLLM_USE_MEGA_AOT_ARTIFACT", mega)
            before = get_inductor_factors()
            set_functorch_config()
            assert get_inductor_factors() == before
            assert before[3]["bundled_autograd_cache"] is (mega == "1")
            assert functorch_config.bundled_autograd_cache is (mega == "1")


class NamedPass:
    """A pass that says what it is."""

    def uuid(self) -> bytes:
        return b"fuse-everything-3"


def test_a_custom_pass_counts_by_what_it_says_of_itself() -> None:
    """torch leaves passes out of its portable snapshot."""
    before = key()
    with inductor_config.patch(post_grad_custom_post_pass=NamedPass()):
        assert b"fuse-everything-3".hex() in key()
    assert key() == before


@pytest.mark.parametrize("unnamed", [lambda graph: None, object()])
def test_a_setting_that_cannot_be_named_makes_no_key(unnamed: object) -> None:
    """A cache that does not know is a miss."""
    with (
        inductor_config.patch(post_grad_custom_pre_pass=unnamed),
        pytest.raises(UnkeyableError, match=r"inductor\.post_grad_custom_pre_pass"),
    ):
        get_inductor_factors()


@pytest.mark.parametrize("name", ["VLLM_CUSTOM_OPS", "VLLM_USE_DEEP_GEMM", "TRITON_INTERPRET"])
def test_variables_of_the_allow_list_count(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They change what is traced or generated."""
    monkeypatch.delenv(name, raising=False)
    before = environment_factors()
    monkeypatch.setenv(name, {"VLLM_CUSTOM_OPS": "none"}.get(name, "0"))
    assert environment_factors() != before


def test_the_interpreter_and_torch_are_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    """C++ kernels are extensions of one CPython; torch's version is there for people to read."""
    before = Factors(compiler=InductorStandaloneAdaptor().factors())
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-399")
    after = Factors(compiler=InductorStandaloneAdaptor().factors())
    assert [each.name for each in differences(before, after)] == ["compiler.python"]
    assert before.compiler["torch_version"] == torch.__version__


def test_other_variables_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging, folders and names cost nobody a recompilation."""
    before = environment_factors()
    for name in ("VLLM_CACHE_ROOT", "HOME", "HOSTNAME", "VLLM_LOGGING_LEVEL", "TMPDIR"):
        monkeypatch.setenv(name, "/elsewhere")
    assert environment_factors() == before


def factors_under(cwd: Path, **changes: str) -> Factors:
    """Return the factors of a process under another environment."""
    script = ROOT / "tests" / "compile" / "print_factors.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=cwd, env=environment, stdout=subprocess.PIPE, check=True
    )
    return Factors.parse(done.stdout.decode())


def test_where_and_as_whom_a_process_runs_is_no_factor_and_inductor_s_variables_are(
    tmp_path: Path,
) -> None:
    """Another home, host name, working folder, temporary folder: one key. ENABLE_PDL: another, and
    named.
    """
    before = factors_under(ROOT)
    moved = {
        name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "VLLM_CACHE_ROOT")
    }
    after = factors_under(tmp_path, **moved, HOSTNAME="another", USER="nobody")
    assert differences(before, after) == []
    assert str(Path.home()) not in before.canonical
    changed = factors_under(ROOT, TORCHINDUCTOR_ENABLE_PDL="1")
    assert [each.name for each in differences(before, changed)] == [
        "compiler.inductor.triton.enable_pdl"
    ]


@pytest.mark.parametrize("has_triton", [True, False])
def test_compilers_are_hashed_beside_the_caller(
    has_triton: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Triton where there is one, and torch even where Triton cannot be hashed."""
    goes_on, hashed = threading.Event(), []

    def triton_key() -> str:
        hashed.append(("triton", threading.current_thread()))
        raise RuntimeError

    def torch_key() -> bytes:
        goes_on.wait()
        hashed.append(("torch", threading.current_thread()))
        return b"key"

    monkeypatch.setattr(triton_compat, "HAS_TRITON", has_triton)
    monkeypatch.setattr(triton_compat, "triton_key", triton_key)
    monkeypatch.setattr(codecache, "torch_key", torch_key)
    hashing = compiler_interface.hash_compilers.__wrapped__()
    goes_on.set()
    hashing.join()
    expected = ["triton", "torch"] if has_triton else ["torch"]
    assert hashed == [(name, hashing) for name in expected]


def test_a_key_waits_for_the_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody hashes twice."""
    waited: list[bool] = []

    class Hashing:
        def join(self) -> None:
            waited.append(True)

    monkeypatch.setattr(compiler_interface, "hash_compilers", Hashing)
    get_inductor_factors()
    assert waited == [True]
