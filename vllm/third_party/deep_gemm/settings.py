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
    """Let later launches begin their set-up while the stream's last kernel ends (programmatic
    dependent launch).
    """
    _C.set_pdl(enable_pdl)


def get_pdl() -> bool:
    """Return whether programmatic dependent launch is set."""
    return _C.get_pdl()
