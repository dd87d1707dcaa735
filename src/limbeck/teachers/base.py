"""The contract of a teacher: signals for a batch."""

from __future__ import annotations

from typing import Protocol

from limbeck.batch import Batch
from limbeck.signals import Signals


class Teacher(Protocol):
    """Gives signals for a batch: from a live model, a store on disk, an ensemble or a text."""

    def __call__(self, batch: Batch) -> Signals:
        """What the teacher says about the batch."""
        ...
