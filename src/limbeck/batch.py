"""The one type that everything passes from left to right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Batch = Mapping[str, Any]
"""What a loader yields: named tensors (first axis the batch) and lists."""

IGNORED = -100
"""The label of a position that does not count, as PyTorch and transformers have it."""
