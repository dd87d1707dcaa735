"""The contract of a method: what it needs from either side, and the terms it makes of it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from limbeck.batch import Batch
from limbeck.losses.term import Term
from limbeck.signals import Signals


@dataclass(frozen=True)
class Needs:
    """What a method reads from either side, so that nothing else is computed or captured.

    Args:
        logits: Whether it reads logits.
        student_hidden: Names of the student's hidden states that it reads.
        teacher_hidden: Names of the teacher's hidden states that it reads.
    """

    logits: bool = False
    student_hidden: tuple[str, ...] = ()
    teacher_hidden: tuple[str, ...] = ()


class Method(nn.Module, abc.ABC):
    """Compares a student's signals with a teacher's. Its state (projections, prototypes) goes into the checkpoint."""

    needs: Needs = Needs()
    weights: Mapping[str, float]
    """The weight of each term; a task takes them over, and may hold a weight of its own for the same name."""

    @abc.abstractmethod
    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """Named terms; each is a sum with its count."""
