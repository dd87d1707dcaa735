"""Sentence vectors: the student's, projected, shall be the teacher's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from limbeck.batch import Batch
from limbeck.losses.hidden import hidden_cosine, hidden_mse
from limbeck.losses.relations import rkd_distance
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals


class EmbeddingDistillation(Method):
    """Distances between the vectors of the two for the same sentence, or between their relations within a batch.

    Args:
        distance: ``"mse"``, ``"cosine"``, or ``"relations"`` (pairwise distances in the batch, which need no
            projection).
        weight: Of the term.

    Reference:
        Reimers and Gurevych, "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation",
        EMNLP 2020, arXiv 2004.09813; for the relations Park et al., "Relational Knowledge Distillation", CVPR 2019,
        arXiv 1904.05068.

    Example:
        >>> EmbeddingDistillation(distance="relations").weights
        {'embedding': 1.0}
    """

    name = "embedding"
    reference = (
        'Reimers and Gurevych, "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation", '
        "EMNLP 2020, arXiv 2004.09813"
    )
    needs = Needs(student_hidden=("embedding",), teacher_hidden=("embedding",))

    def __init__(
        self,
        *,
        distance: Literal["mse", "cosine", "relations"] = "mse",
        weight: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.distance = {"mse": hidden_mse, "cosine": hidden_cosine, "relations": rkd_distance}[distance]
        self.projects = distance != "relations"
        self.weights = {"embedding": weight}
        self.projection: nn.Module = nn.Identity()

    def connect(self, student: Signals, teacher: Signals) -> None:
        """Make a projection where widths differ."""
        ours, theirs = (signals.hidden["embedding"].shape[-1] for signals in (student, teacher))
        if self.projects and ours != theirs:
            self.projection = nn.Linear(ours, theirs, bias=False)

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """One term, over sentences."""
        vector = self.projection(student.hidden["embedding"])
        return {"embedding": self.distance(vector, teacher.hidden["embedding"])}
