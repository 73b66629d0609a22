"""The Invoke collection: the inner loop in your own environment; `inv --list` shows it.

It knows Invoke and tools; it refuses to know nox and torch.
"""

from __future__ import annotations

import sys
from pathlib import Path

from invoke.collection import Collection

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Invoke puts only tasks/ there

from tasks import ci, kernels, presets

namespace = Collection(ci, kernels, presets)
