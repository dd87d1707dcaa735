"""Imagination: predict the picture's vector beside translating."""

from __future__ import annotations

from limbeck.batch import Batch
from limbeck.losses.ranking import margin_ranking
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.models.vision.maps import MapSpec
from limbeck.signals import Signals


class Imagination(Method):
    """The sentence's encoder states predict the picture's pooled vector, ranked against other pictures of the batch.

    The ranking compares items of one batch, so its value depends on how a batch is split, as every contrastive loss's
    does.

    Args:
        top: The vision network's top map.
        margin: Of the ranking, in cosine.
        weight: Of the ranking; translation keeps ``1 - weight``.

    Reference:
        Elliott and Kádár, "Imagination Improves Multimodal Translation", IJCNLP 2017, arXiv 1705.04350.
    """

    def __init__(self, top: MapSpec, *, margin: float = 0.1, weight: float = 0.11) -> None:
        super().__init__()
        self.top, self.margin = top.name, margin
        self.weights = {"imagination": weight, "translation": 1.0 - weight}
        self.needs = Needs(student_hidden=("vector",), teacher_hidden=(top.name,))

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """The ranking term, over the pictures of the batch."""
        vector = student.hidden["vector"]
        pooled = teacher.hidden[self.top].flatten(2).mean(-1)
        return {"imagination": margin_ranking(vector, pooled.to(vector.dtype), self.margin)}
