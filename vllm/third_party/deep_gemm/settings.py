"""Settings of the process."""

from __future__ import annotations

import sys

from . import _C


def set_num_sms(num_sms: int) -> None:
    """Let a launch use at most `num_sms` multiprocessors; 0 stands for all of the device."""
    _C.set_num_sms(num_sms)


def get_num_sms() -> int:
    """Return the limit, or where none is set the multiprocessors of the current device.

    Raises: RuntimeError where no limit is set and there is no sm_90 GPU to ask.
    """
    torch = sys.modules.get("torch")
    device = torch.cuda.current_device() if torch is not None and torch.cuda.is_available() else 0
    return _C.get_num_sms(device)


def set_pdl(enable_pdl: bool) -> None:
    """Let later launches begin while the stream's last kernel ends (programmatic dependent launch);
    on by default.

    They set themselves up and ask for operands, but read and write nothing before that end, so what
    is computed is the same. DeepGEMM's default is off.
    """
    _C.set_pdl(enable_pdl)


def set_early_weights(enable: bool) -> None:
    """Let later dense launches read B and its scale factors while the stream's last kernel still
    runs, where `set_pdl` is on.

    For weights that this kernel does not write: their first tiles then travel while it makes A. One
    before it may run, too, where the last is another library's and lets launches in before it has
    waited itself. Off by default: only the caller can know. Recipe (1, 1, 128) and groups of k wait
    all the same. DeepGEMM has no such setting.
    """
    _C.set_early_weights(enable)


def get_early_weights() -> bool:
    """Return whether weights may be read early."""
    return _C.get_early_weights()


def get_pdl() -> bool:
    """Return whether programmatic dependent launch is set."""
    return _C.get_pdl()


def set_tc_util(tc_util: int) -> None:
    """Keep the share of the tensor cores, in per cent, that a caller asks for; 0 stands for 100.

    Hopper's kernels take all of them: the number is told by `get_tc_util` and steers nothing.

    Raises: ValueError unless it is 0 to 100.
    """
    _C.set_tc_util(tc_util)


def get_tc_util() -> int:
    """Return what `set_tc_util` set, 100 at first."""
    return _C.get_tc_util()


def set_mk_alignment_for_contiguous_layout(alignment: int) -> None:
    """Let groups of rows begin at multiples of `alignment`: 64 or a multiple of it, up to 1,024.

    Raises: ValueError for other numbers.
    """
    _C.set_mk_alignment(alignment)


def get_mk_alignment_for_contiguous_layout() -> int:
    """Return the multiple of rows at which groups begin, 128 at first."""
    return _C.get_mk_alignment()


def get_theoretical_mk_alignment_for_contiguous_layout(expected_m: int | None = None) -> int:
    """Return the alignment that suits this GPU's tiles best: 128, for every `expected_m`."""
    return 128


def set_ignore_compile_dims(new_value: bool) -> None:
    """Accept what steers a JIT's cache of kernels; without a JIT it changes nothing.

    Raises: TypeError unless it is a truth value.
    """
    if not isinstance(new_value, bool):
        raise TypeError(f"set_ignore_compile_dims: expected True or False, got {new_value!r}")


def set_block_size_multiple_of(new_value: int | tuple[int, int]) -> None:
    """Accept what limits the tiles that a JIT tries; the compiled tiles are a table, so it changes
    nothing.

    Raises: ValueError unless it is one or two positive numbers.
    """
    values = new_value if isinstance(new_value, tuple) else (new_value, new_value)
    if len(values) != 2 or any(not isinstance(value, int) or value < 1 for value in values):
        raise ValueError(
            f"set_block_size_multiple_of: expected one or two positive numbers, got {new_value!r}"
        )
