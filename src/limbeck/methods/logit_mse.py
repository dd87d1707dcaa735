"""Regression on the teacher's logits, not softened."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.rowwise import rowwise_term
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals


class LogitRegression(Method):
    """``sum over classes of (z_S - z_T)^2`` at each position or of each item.

    Unlike a divergence it also fixes what the softmax does not see, an offset of all logits; it is the limit of logit
    distillation for high temperatures where logits have zero mean.

    Args:
        weight: Of the term; with a task's own loss at ``1 - weight`` it is the paper's mixture.

    Reference:
        Barkan et al., "Scalable Attentive Sentence-Pair Modeling via Distilled Sentence Embedding", AAAI 2020,
        arXiv 1908.05161; before it Ba and Caruana, "Do Deep Nets Really Need to be Deep?", NeurIPS 2014.

    Example:
        >>> LogitRegression(weight=0.5).weights
        {'logit_mse': 0.5}
    """

    name = "logit-mse"
    reference = (
        'Barkan et al., "Scalable Attentive Sentence-Pair Modeling via Distilled Sentence Embedding", AAAI 2020, '
        "arXiv 1908.05161"
    )
    needs = Needs(logits=True, of_teacher="scores")
    positionwise = True

    def __init__(self, *, weight: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()
        self.weights = {"logit_mse": weight}

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``logit_mse``, over the positions of the student's mask."""
        ours, theirs = student.logits, teacher.logits
        if not isinstance(ours, Tensor) or not isinstance(theirs, Tensor):
            raise LimbeckError("the method logit-mse needs the teacher's logits of all classes; it got sparse ones")
        if ours.shape != theirs.shape:
            raise LimbeckError(f"logits: the student's are {tuple(ours.shape)}, the teacher's {tuple(theirs.shape)}")
        return {"logit_mse": rowwise_term(_squares, (ours, theirs.detach()), student.mask)}


def _squares(ours: Tensor, theirs: Tensor) -> Tensor:
    return (ours - theirs).square().sum(-1)
