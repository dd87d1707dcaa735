"""Distillation of rankers: from a teacher's scores of one relevant and several other documents."""

from __future__ import annotations

from typing import Annotated, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.ranking import margin_mse
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals


class MarginDistillation(Method):
    """The student prefers the relevant document to each other by the same margin as the teacher.

    Logits are scores ``(queries, 1 + others)``, the relevant document's first. With ``m = s+ - s-`` of the student and
    ``t`` likewise of the teacher:

    - ``"margin_mse"``: ``(m - t)^2``, so that a teacher's offset is free for each query.
    - ``"pointwise_mse"``: ``(s - score_T)^2`` for every document, the relevant one and the others.
    - ``"weighted_ranknet"``: ``max(0, t) log(1 + exp(-m))``. Weighted by ``t`` itself, the loss would have no lower
      bound where the teacher prefers the other document.

    Args:
        loss: One of the above.
        weight: Of the term.

    Reference:
        Hofstätter et al., "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation",
        2020, arXiv 2010.02666.

    Example:
        >>> MarginDistillation(loss="pointwise_mse").weights
        {'pointwise_mse': 1.0}
    """

    reference = (
        'Hofstätter et al., "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge '
        'Distillation", 2020, arXiv 2010.02666'
    )
    needs = Needs(logits=True)

    def __init__(
        self,
        *,
        loss: Literal["margin_mse", "pointwise_mse", "weighted_ranknet"] = "margin_mse",
        weight: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.weights = {loss: weight}

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """One term: over pairs, or over documents where each is judged by itself."""
        ours, theirs = _scores(student), _scores(teacher).detach().to(_scores(student).dtype)
        if ours.shape != theirs.shape:
            raise LimbeckError(f"scores: the student's are {tuple(ours.shape)}, the teacher's {tuple(theirs.shape)}")
        if self.loss == "pointwise_mse":
            return {self.loss: Term.over((ours - theirs).square())}
        if self.loss == "margin_mse":
            return {self.loss: margin_mse(ours[:, :1], ours[:, 1:], theirs[:, :1], theirs[:, 1:])}
        margins, wanted = (side[:, :1] - side[:, 1:] for side in (ours, theirs))
        return {self.loss: Term.over(wanted.clamp(min=0) * F.softplus(-margins))}


def _scores(signals: Signals) -> Tensor:
    if not isinstance(signals.logits, Tensor) or signals.logits.dim() != 2 or signals.logits.shape[1] < 2:
        raise LimbeckError("margins need logits (queries, 1 + others): a relevant document's score, then others'")
    return signals.logits
