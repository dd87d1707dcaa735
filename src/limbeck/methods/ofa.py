"""OFA-KD: exits at the student's stages learn the teacher's logits, so that families need not share features."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.ofa import target_enhanced
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs, Weight
from limbeck.models.vision.exits import exit_branch
from limbeck.signals import Signals


class ExitDistillation(Method):
    """``ofa/exits``, the sum over exits, and ``ofa/final``: the student's own logits, both by the target-enhanced loss.

    Each exit is a small branch (:mod:`limbeck.models.vision.exits`) from a stage of the student to logits. Branches are
    a part of the method, and so are gone after the training.

    Args:
        stages: Paths of the student's modules that get an exit.
        eps: Of the loss (:func:`~limbeck.losses.ofa.target_enhanced`), one for all exits; 1 is plain KD by
            cross-entropy.
        final_eps: Of the student's own logits; None is the same.
        width: Of the branches, in fours.
        temperature: Both sides' logits are divided by it.
        exits: Weight of ``ofa/exits``.
        final: Weight of ``ofa/final``; at 0 it is left out.

    Reference:
        Hao et al., "One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation",
        NeurIPS 2023, arXiv 2310.19444.

    Example:
        >>> ExitDistillation(stages=("stages.0",), final=0.0).weights
        {'ofa/exits': 1.0}
    """

    name = "ofa"
    reference = (
        'Hao et al., "One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation", '
        "NeurIPS 2023, arXiv 2310.19444"
    )

    def __init__(
        self,
        *,
        stages: Annotated[tuple[str, ...], Field(min_length=1)],
        eps: Annotated[float, Field(ge=1)] = 1.5,
        final_eps: Annotated[float, Field(ge=1)] | None = None,
        width: Annotated[int, Field(gt=0, multiple_of=4)] = 64,
        temperature: Annotated[float, Field(gt=0)] = 1.0,
        exits: Annotated[float, Field(gt=0)] = 1.0,
        final: Weight = 1.0,
    ) -> None:
        super().__init__()
        self.stages, self.eps, self.width, self.temperature = tuple(stages), eps, width, temperature
        self.final_eps = eps if final_eps is None else final_eps
        self.needs = Needs(logits=True, of_teacher="all", labels=True, student_hidden=self.stages)
        self.weights = {"ofa/exits": exits, **({"ofa/final": final} if final else {})}
        self.branches = nn.ModuleList()

    def connect(self, student: Signals, teacher: Signals) -> None:
        """Make the branches."""
        if not isinstance(teacher.logits, Tensor) or teacher.logits.dim() != 2:
            raise LimbeckError("method ofa: for classifiers; the teacher gives no dense logits, one row an item")
        classes = teacher.logits.shape[-1]
        self.branches = nn.ModuleList(
            exit_branch(tuple(student.hidden[stage].shape), classes, self.width) for stage in self.stages
        )

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """Both over items."""
        theirs, labels = teacher.logits, batch["labels"]
        assert isinstance(theirs, Tensor)
        assert isinstance(student.logits, Tensor)
        if not len(labels):
            nothing = 0 * student.logits.sum()
            return dict.fromkeys(self.weights, Term(nothing, torch.zeros_like(nothing)))
        values = [
            target_enhanced(logits, theirs, labels, eps=self.eps, temperature=self.temperature)
            for logits in self.said(student)
        ]
        terms = {"ofa/exits": Term.over(torch.stack(values).sum(0))}
        if "ofa/final" in self.weights:
            final = target_enhanced(student.logits, theirs, labels, eps=self.final_eps, temperature=self.temperature)
            terms["ofa/final"] = Term.over(final)
        return terms

    def said(self, student: Signals) -> list[Tensor]:
        """What each exit says, ``(batch, classes)``."""
        return [branch(student.hidden[stage]) for branch, stage in zip(self.branches, self.stages, strict=True)]
