"""How the items of a batch lie to each other shall be as with the teacher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.losses.relations import linear_cka, rkd_angle, rkd_distance, similarity_preserving
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.methods.positions import counted_positions
from limbeck.signals import Signals

_RELATIONS = {"distance": rkd_distance, "angle": rkd_angle, "similarity": similarity_preserving, "cka": linear_cka}


class RelationDistillation(Method):
    """Relations among the items of a batch, which need no projection: widths may differ.

    Args:
        student: Path of the student's module that gives features; all axes but the first are one vector an item, in
            which positions that do not count are 0.
        teacher: Path of the teacher's.
        relation: ``"distance"`` or ``"angle"`` (RKD), ``"similarity"`` (similarity-preserving), or ``"cka"``.
        weight: Of the term.

    Reference:
        Park et al., "Relational Knowledge Distillation", CVPR 2019, arXiv 1904.05068. Tung and Mori,
        "Similarity-Preserving Knowledge Distillation", ICCV 2019, arXiv 1907.09682.

    Example:
        >>> RelationDistillation(student="features", teacher="features", relation="angle").weights
        {'relations/angle': 1.0}
    """

    name = "relations"
    reference = 'Park et al., "Relational Knowledge Distillation", CVPR 2019, arXiv 1904.05068'

    def __init__(
        self,
        *,
        student: str,
        teacher: str,
        relation: Literal["distance", "angle", "similarity", "cka"] = "distance",
        weight: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.sites, self.term = (student, teacher), f"relations/{relation}"
        self.relation = _RELATIONS[relation]
        self.needs = Needs(student_hidden=(student,), teacher_hidden=(teacher,))
        self.weights = {self.term: weight}

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """One term."""
        sides = zip((student, teacher), self.sites, strict=True)
        ours, theirs = (_vectors(said.hidden[site], counted_positions(site, said, batch)) for said, site in sides)
        return {self.term: self.relation(ours, theirs)}


def _vectors(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """Positions that do not count are all the same: they are no part of a distance."""
    return (hidden if mask is None else hidden * mask.unsqueeze(-1)).flatten(1)
