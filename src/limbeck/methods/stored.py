"""Whether a divergence can learn from what a store keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.signals import SparseLogits
from limbeck.teachers.store.settings import Keep


def check_sparse(name: str, keep: Keep, divergence: Callable[[Tensor, SparseLogits], Any]) -> None:
    """Try a divergence on a position of which a store keeps some classes.

    Args:
        name: The method's, for the message.
        keep: What the store has.
        divergence: Of student and teacher.

    Raises:
        LimbeckError: It refuses them.
    """
    if keep == "full":
        return
    kept = SparseLogits(torch.tensor([[0, 1]]), torch.tensor([[0.5, 0.25]]).log(), sampled=keep == "sample")
    try:
        divergence(torch.zeros(1, 4), kept)
    except ValueError as error:
        raise LimbeckError(f"method: {name!r} with a store of {keep!r}: {error}") from None
