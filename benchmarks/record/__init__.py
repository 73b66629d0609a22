"""What every benchmark writes: its figures, and what one has to know of them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path


def write_record(path: Path, command: str, figures: Mapping[str, object]) -> None:
    """Write figures as JSON under what one has to know of them: command, commit, GPU (or CPU where
    there is none), date, torch.

    The commit is the checkout's, or BENCHMARK_COMMIT where a copy without history is measured.
    """
    import torch  # records are read where there is none

    head = ["git", "rev-parse", "HEAD"]
    found = subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip()
    record = {
        "command": command,
        "commit": os.environ.get("BENCHMARK_COMMIT", found) or "unknown",
        **_processor(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "torch": torch.__version__,
        **figures,
    }
    path.write_text(json.dumps(record, indent=1) + "\n")


def _processor() -> dict[str, str]:
    import torch

    if torch.cuda.is_available():
        return {"gpu": torch.cuda.get_device_name()}
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {"cpu": next(line.partition(": ")[2] for line in lines if line.startswith("model name"))}
