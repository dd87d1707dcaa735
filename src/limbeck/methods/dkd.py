"""DKD: the label's part of KL and the part of all other classes, weighed apart."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.losses.decoupled import decoupled_kd
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals


class DecoupledDistillation(Method):
    """``T^2 (alpha KL(b_T, b_S) + beta KL(p'_T, p'_S))``, see :func:`~limbeck.losses.decoupled.decoupled_kd`.

    Args:
        alpha: Weight of the label's part.
        beta: Weight of the others' part.
        temperature: Both sides' logits are divided by it; its square is a part of the term's weight.
        weight: Of the term, beside that square.

    Reference:
        Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, arXiv 2203.08679.

    Example:
        >>> DecoupledDistillation(temperature=2.0).weights
        {'dkd': 4.0}
    """

    name = "dkd"
    reference = 'Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, arXiv 2203.08679'
    needs = Needs(logits=True, of_teacher="all", labels=True)

    def __init__(
        self,
        *,
        alpha: Annotated[float, Field(ge=0)] = 1.0,
        beta: Annotated[float, Field(ge=0)] = 8.0,
        temperature: Annotated[float, Field(gt=0)] = 4.0,
        weight: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.alpha, self.beta, self.temperature = alpha, beta, temperature
        self.weights = {"dkd": weight * temperature**2}

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``dkd``, over the items that have a label."""
        assert isinstance(student.logits, Tensor)
        assert isinstance(teacher.logits, Tensor)
        term = decoupled_kd(
            student.logits,
            teacher.logits,
            batch["labels"],
            alpha=self.alpha,
            beta=self.beta,
            temperature=self.temperature,
        )
        return {"dkd": term}
