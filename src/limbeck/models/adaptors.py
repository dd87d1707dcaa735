"""Models under low-rank adaptors."""

from __future__ import annotations

from typing import Any


def without_adaptors(model: Any) -> Any:
    """The model itself, where it may be under adaptors of `peft`; they are inside it, and paths in it are its own.

    Args:
        model: Of `transformers`, or of `peft` around one.
    """
    return model.get_base_model() if hasattr(model, "get_base_model") else model
