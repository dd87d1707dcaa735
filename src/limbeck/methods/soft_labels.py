"""Cross-entropy with labels that may be shares of several classes; no teacher is asked for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.losses.cross_entropy import cross_entropy, soft_cross_entropy
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals


class SoftLabels(Method):
    """Cross-entropy with ``batch["soft_labels"]``, or with ``batch["labels"]`` where there are none.

    A task has a cross-entropy of its own; this one is for mixed items (:mod:`limbeck.data.mixup`), and for labels
    behind a transform of logits (:class:`~limbeck.methods.standardised.StandardisedLogits`).

    Args:
        weight: Of the term.

    Reference:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv 1710.09412.

    Example:
        >>> SoftLabels(weight=0.1).weights
        {'soft_labels': 0.1}
    """

    name = "soft-labels"
    reference = 'Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv 1710.09412'
    needs = Needs(logits=True, labels=True)

    def __init__(self, *, weight: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()
        self.weights = {"soft_labels": weight}

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``soft_labels``, over items."""
        assert isinstance(student.logits, Tensor)
        if "soft_labels" in batch:
            shares = batch["soft_labels"]
            return {"soft_labels": soft_cross_entropy(student.logits, shares, student.mask)}
        return {"soft_labels": cross_entropy(student.logits, batch["labels"])}
