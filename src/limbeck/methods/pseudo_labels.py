"""Pseudo-labels: where an item has no label, a teacher's distribution over the classes is its label."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from limbeck.batch import IGNORED, Batch
from limbeck.losses.divergence import forward_kl
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals, SparseLogits


class PseudoLabels(Method):
    """``KL(teacher, student)`` over the items whose ``labels`` are ignored: those that people have not labelled.

    Its gradient is that of the cross-entropy with soft labels. Several teachers with weights need one target alone,
    since ``sum_s a_s CE(h_s, q) = CE(sum_s a_s h_s, q)``: give it a mixture
    (:class:`~limbeck.teachers.ensemble.Ensemble`), stored once.

    Args:
        weight: Of the term. With lambda as the weight of the labels the paper has 1 - lambda here.

    Reference:
        Borup, Phoo and Hariharan, "Distilling from Similar Tasks for Transfer Learning on a Budget", ICCV 2023,
        arXiv 2304.12314.

    Example:
        >>> PseudoLabels(weight=0.2).weights
        {'pseudo_labels': 0.2}
    """

    name = "pseudo-labels"
    reference = (
        'Borup, Phoo and Hariharan, "Distilling from Similar Tasks for Transfer Learning on a Budget", ICCV 2023, '
        "arXiv 2304.12314"
    )
    needs = Needs(logits=True, labels=True)

    def __init__(self, *, weight: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()
        self.weights = {"pseudo_labels": weight}

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``pseudo_labels``, over the items without a label."""
        assert isinstance(student.logits, Tensor)
        assert isinstance(teacher.logits, Tensor | SparseLogits)
        unlabelled = batch["labels"] == IGNORED
        if student.mask is not None:
            unlabelled = unlabelled & student.mask
        return {"pseudo_labels": forward_kl(student.logits, teacher.logits, mask=unlabelled)}
