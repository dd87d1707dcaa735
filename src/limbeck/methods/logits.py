"""Logit distillation: the student shall say what the teacher says, by any divergence."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.divergences import divergence as divergence_named
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.methods.stored import check_sparse
from limbeck.signals import Signals, SparseLogits
from limbeck.teachers.store.settings import Keep


class LogitDistillation(Method):
    """A divergence between the student's and the teacher's distributions, at each position or of each item.

    ``loss = temperature^2 * D(softmax(z_S / temperature), softmax(z_T / temperature))``; the square keeps the
    gradient's size (Hinton et al., section 2), and is a part of the term's weight.

    Args:
        divergence: One of :data:`~limbeck.losses.divergences.DIVERGENCES`.
        temperature: Both sides' logits are divided by it.
        weight: Of the term, beside the square of the temperature.
        options: Of the divergence, such as ``{skew: 0.1}``, or ``{rest: renormalise}`` for a sparse teacher.

    Raises:
        LimbeckError: The divergence or an option of it is unknown, or the temperature is among the options.

    Reference:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531.

    Example:
        >>> LogitDistillation(divergence="reverse_kl", temperature=2.0).weights
        {'reverse_kl': 4.0}
    """

    name = "logits"
    reference = 'Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531'
    needs = Needs(logits=True)
    positionwise = True

    def __init__(
        self,
        *,
        divergence: str = "forward_kl",
        temperature: Annotated[float, Field(gt=0)] = 1.0,
        weight: Annotated[float, Field(gt=0)] = 1.0,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if "temperature" in (options or {}):
            raise LimbeckError("method logits: 'temperature' is a setting of the method, not one of 'options'")
        self.divergence = divergence_named(divergence, **(options or {}))
        self.temperature = temperature
        self.term = divergence
        self.weights = {divergence: weight * temperature**2}

    def check_stored(self, keep: Keep) -> None:
        """Say early what the divergence will not do with classes that are not all there."""
        super().check_stored(keep)
        check_sparse(self.name, keep, partial(self.divergence, temperature=self.temperature))

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """One term, over the positions of the student's mask."""
        assert isinstance(student.logits, Tensor)
        assert isinstance(teacher.logits, Tensor | SparseLogits)
        return {
            self.term: self.divergence(student.logits, teacher.logits, temperature=self.temperature, mask=student.mask)
        }
