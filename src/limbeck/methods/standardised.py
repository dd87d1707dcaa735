"""Any method of logits, with each side's logits divided by their own standard deviation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.standardise import standardise
from limbeck.losses.term import Term
from limbeck.methods.base import Method
from limbeck.signals import Signals
from limbeck.teachers.base import Teacher


class StandardisedLogits(Method):
    """``z / std(z)`` over the classes (:func:`~limbeck.losses.standardise.standardise`) before any other method.

    Args:
        method: Name and settings of the method that reads the logits.

    Raises:
        LimbeckError: That method is unknown, or reads no logits.

    Reference:
        Choi et al., "Understanding the Role of Mixup in Knowledge Distillation: An Empirical Study", WACV 2023,
        arXiv 2211.03946.

    Example:
        >>> StandardisedLogits(method={"name": "logits", "divergence": "reverse_kl"}).weights
        {'reverse_kl': 1.0}
    """

    name = "standardised"
    reference = (
        'Choi et al., "Understanding the Role of Mixup in Knowledge Distillation: An Empirical Study", WACV 2023, '
        "arXiv 2211.03946"
    )

    def __init__(self, *, method: dict[str, Any]) -> None:
        from limbeck.methods.find import make_method  # which looks for methods here

        super().__init__()
        self.method = make_method(method)
        if not self.method.needs.logits:
            raise LimbeckError(f"method standardised: {method.get('name')!r} reads no logits")
        # Free of an offset, by which scores and log-probabilities differ.
        self.needs = replace(self.method.needs, of_teacher="all")
        self.weights = dict(self.method.weights)

    def connect(self, student: Signals, teacher: Signals) -> None:
        """Let the method make what depends on sizes."""
        self.method.connect(_standardised(student), _standardised(teacher))

    def prepare(self, teacher: Teacher, batches: Iterable[Batch]) -> None:
        """Let the method look at what the teacher says."""
        self.method.prepare(lambda batch: _standardised(teacher(batch)), batches)

    def begin_step(self, progress: float) -> None:
        """Move the method's schedules."""
        self.method.begin_step(progress)

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """The terms of the method."""
        terms: dict[str, Term] = self.method(_standardised(student), _standardised(teacher), batch)
        return terms


def _standardised(side: Signals) -> Signals:
    if side.logits is None:
        return side
    if not isinstance(side.logits, Tensor):
        raise LimbeckError("method standardised: the logits are sparse; their deviation needs all classes")
    logits = side.logits
    if side.mask is not None:  # what does not count may be NaN, and would reach the gradient
        logits = logits.masked_fill(~side.mask.unsqueeze(-1), 0.0)
    return replace(side, logits=standardise(logits))
