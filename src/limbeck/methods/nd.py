"""ND: the student's feature shall point at the teacher's mean of its class, and be long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.direction import norm_and_direction
from limbeck.losses.features import l2_distance
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.methods.class_means import ClassMeans
from limbeck.signals import Signals
from limbeck.teachers.base import Teacher


class NormAndDirection(Method):
    """``1 - (s . e_y) / max(|s|, |t|)`` of the features before the head, to be added to any other method.

    ``e_y`` is the direction of the teacher's mean feature of class y: from one pass over the training items
    (:meth:`prepare`), as in the paper, or else from the items seen so far. Where widths differ, an adapter (batch norm,
    dropout, linear) leads from the student's to the teacher's; it is not used after the training.

    Args:
        student: Path of the student's module that gives the features, ``(batch, width)``; maps ``(batch, width,
            height, width)`` are averaged over places.
        teacher: Path of the teacher's.
        classes: How many there are; the batch's ``labels`` are their numbers.
        align: ``"both"``; ``"direction"`` or ``"norm"`` alone; or ``"teacher"``, the mean squared difference between
            s and t instead.
        dropout: Of the adapter.
        weight: Of the term.

    Reference:
        Wang et al., "Improving Knowledge Distillation via Regularizing Feature Norm and Direction", 2023,
        arXiv 2305.17007.

    Example:
        >>> NormAndDirection(student="features", teacher="features", classes=10, weight=2.0).weights
        {'nd': 2.0}
    """

    name = "nd"
    reference = (
        'Wang et al., "Improving Knowledge Distillation via Regularizing Feature Norm and Direction", 2023, '
        "arXiv 2305.17007"
    )

    means: ClassMeans
    prepared: Tensor

    def __init__(
        self,
        *,
        student: str,
        teacher: str,
        classes: Annotated[int, Field(gt=0)],
        align: Literal["both", "direction", "norm", "teacher"] = "both",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        weight: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.sites = student, teacher
        self.classes, self.align, self.dropout = classes, align, dropout
        self.needs = Needs(labels=True, student_hidden=(student,), teacher_hidden=(teacher,))
        self.weights = {"nd": weight}
        self.adapter: nn.Module = nn.Identity()

    def connect(self, student: Signals, teacher: Signals) -> None:
        """Make the adapter where widths differ, and room for the means."""
        ours, theirs = self._features(student, teacher)
        width, wanted = ours.shape[-1], theirs.shape[-1]
        if width != wanted:
            self.adapter = nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(self.dropout), nn.Linear(width, wanted))
        self.means = ClassMeans(self.classes, wanted).to(theirs.device)
        self.register_buffer("prepared", torch.zeros((), dtype=torch.bool, device=theirs.device))

    @torch.no_grad()
    def prepare(self, teacher: Teacher, batches: Iterable[Batch]) -> None:
        """Take the means of all that the teacher says of the training items; they stay as they are."""
        self.means.clear()
        for batch in batches:
            self.means.add(_pooled(teacher(batch).hidden[self.sites[1]], self.sites[1]), batch["labels"])
        self.prepared.fill_(True)

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``nd``, over the items whose class was seen."""
        ours, theirs = self._features(student, teacher)
        labels = batch["labels"]
        if self.training and not self.prepared:
            self.means.add(theirs, labels)
        counted = self.means.seen(labels)
        ours, theirs, labels = ours[counted], theirs[counted].to(ours.dtype), labels[counted]
        adapts = isinstance(self.adapter, nn.Sequential)
        if len(ours) < 1 + (adapts and self.training):  # a batch norm cannot learn from one item
            nothing = 0 * ours.sum()
            return {"nd": Term(nothing, torch.zeros_like(nothing))}
        ours = self.adapter(ours)
        if self.align == "teacher":
            return {"nd": Term.over(l2_distance(ours, theirs))}
        return {"nd": Term.over(norm_and_direction(ours, theirs, self.means()[labels], align=self.align))}

    def _features(self, student: Signals, teacher: Signals) -> tuple[Tensor, Tensor]:
        ours, theirs = self.sites
        return _pooled(student.hidden[ours], ours), _pooled(teacher.hidden[theirs], theirs)


def _pooled(hidden: Tensor, site: str) -> Tensor:
    pooled = hidden.mean((-2, -1)) if hidden.dim() == 4 else hidden
    if pooled.dim() != 2:
        raise LimbeckError(f"method nd: {site!r} gives {tuple(hidden.shape)}; expected one feature vector an item")
    return pooled
