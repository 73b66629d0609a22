"""A benchmark that needs a GPU says so in one line."""

from __future__ import annotations

import pytest
import torch

from benchmarks.devices import require_hopper


@pytest.mark.parametrize(
    ("capability", "found"), [(None, "found none that torch"), ((10, 0), "found sm_100; name")]
)
def test_what_is_no_hopper_is_refused(
    capability: tuple[int, int] | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was found; an H100 passes."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    with pytest.raises(SystemExit, match=f"error: GPU: expected sm_90 .*, {found}"):
        require_hopper()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    require_hopper()
