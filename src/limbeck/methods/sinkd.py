"""SinKD: what it costs to move the student's outputs of a batch onto the teacher's."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.divergence import total_variation
from limbeck.losses.term import Term
from limbeck.losses.transport import sinkhorn_batchwise
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals


class SinkhornDistillation(Method):
    """The entropic transport cost between the batch of the student's distributions and the batch of the teacher's.

    ``loss = 1 / N sum_ij P_ij |q_i - p_j|_1`` with ``q, p = softmax(z / temperature)`` and P the plan of
    :func:`~limbeck.losses.transport.sinkhorn_batchwise`. The paper has the sum, times a constant of about 0.001; with
    the mean the weight does not depend on the size of a batch. It may be added to
    :class:`~limbeck.methods.logits.LogitDistillation`, as the paper does.

    Args:
        grain: ``"batch"``, or ``"sample"``: each item is compared with itself alone, which leaves ``|q_i - p_i|_1``.
        epsilon: Weight of the plan's entropy, in units of the cost (at most 2).
        iterations: Rounds of normalising rows, then columns.
        debiased: Take half of either side's cost to itself off, so that equality gives 0.
        temperature: Both sides' logits are divided by it.
        weight: Of the term.

    Reference:
        Cui et al., "Sinkhorn Distance Minimization for Knowledge Distillation", COLING 2024, arXiv 2402.17110.

    Example:
        >>> SinkhornDistillation(weight=0.8).weights
        {'sinkhorn': 0.8}
    """

    name = "sinkhorn"
    reference = 'Cui et al., "Sinkhorn Distance Minimization for Knowledge Distillation", COLING 2024, arXiv 2402.17110'
    needs = Needs(logits=True, of_teacher="all")

    def __init__(
        self,
        *,
        grain: Literal["batch", "sample"] = "batch",
        epsilon: Annotated[float, Field(gt=0)] = 0.1,
        iterations: Annotated[int, Field(gt=0)] = 20,
        debiased: bool = False,
        temperature: Annotated[float, Field(gt=0)] = 2.0,
        weight: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        if debiased and grain == "sample":
            raise ValueError("debiased: of one sample to itself there is no cost to take off; grain must be 'batch'")
        super().__init__()
        self.grain, self.temperature = grain, temperature
        self.batchwise = partial(sinkhorn_batchwise, epsilon=epsilon, iterations=iterations, debiased=debiased)
        self.weights = {"sinkhorn": weight}

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``sinkhorn``, over the positions of the student's mask."""
        if not isinstance(student.logits, Tensor) or not isinstance(teacher.logits, Tensor):
            raise LimbeckError("the method sinkhorn needs the teacher's logits of all classes; it got sparse ones")
        loss = self.batchwise if self.grain == "batch" else _samplewise
        return {"sinkhorn": loss(student.logits, teacher.logits, temperature=self.temperature, mask=student.mask)}


def _samplewise(student: Tensor, teacher: Tensor, *, temperature: float, mask: Tensor | None) -> Term:
    half = total_variation(student, teacher, temperature=temperature, mask=mask)
    return Term(2 * half.total, half.count)
