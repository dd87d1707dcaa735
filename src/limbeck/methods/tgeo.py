"""TGeo-KD: how much an item's teacher counts is learnt from the triangle of student, teacher and truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.func import functional_call

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.fusion import fused_distillation
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs, Networks, Positive
from limbeck.methods.class_means import ClassMeans
from limbeck.methods.unroll import KeptAdamW, loss_after_step
from limbeck.models.controller import FusionController, State
from limbeck.signals import Signals
from limbeck.teachers.base import Teacher


class TrilateralFusion(Method):
    """``a_i T^2 KL + (1 - a_i) CE``, in place of a task's own cross-entropy with labels.

    ``weighting="learned"``: ``a_i`` is what a small network (the controller) says of the probability vectors of student
    S, teacher T, truth G and the teacher's mean over the class, and of their squared differences. It learns to make the
    cross-entropy of held-out items small after one step of gradient descent by the student, through that step
    (:meth:`outer_loss`), in the forward pass of the training; it must meet the student and those items.

    The others need neither: ``"fixed"``; ``"annealed"``, a line from 1 to 0 over the training; ``"teacher-loss"``, the
    teacher's probability of the truth; ``"loss-ratio"``, ``1 - exp(-CE_S / CE_T)``.

    Args:
        classes: How many there are.
        weighting: As above.
        alpha: The share, where it is fixed.
        temperature: Of the first part.
        state: What the controller reads (:class:`~limbeck.models.controller.FusionController`).
        lr: Of the controller (AdamW).
        weight_decay: Of the controller.
        step: Length of the student's step that is unrolled.
        every: The controller learns at each so-many-th training batch.
        held_out: So many held-out items are drawn each time.

    Reference:
        "Less or More From Teacher: Exploiting Trilateral Geometry For Knowledge Distillation", ICLR 2024,
        arXiv 2312.15112. Loss ratio: Zhou et al., "Rethinking Soft Labels for Knowledge Distillation", ICLR 2021,
        arXiv 2102.00650.

    Example:
        >>> method = TrilateralFusion(classes=10)
        >>> method.controller.layers[0].in_features, method.weights
        (90, {'tgeo': 1.0})
    """

    name = "tgeo"
    reference = (
        '"Less or More From Teacher: Exploiting Trilateral Geometry For Knowledge Distillation", ICLR 2024, '
        "arXiv 2312.15112"
    )
    needs = Needs(logits=True, of_teacher="all", labels=True)
    seen: Tensor
    progress: Tensor

    def __init__(
        self,
        *,
        classes: Annotated[int, Field(gt=0)],
        weighting: Literal["learned", "fixed", "annealed", "teacher-loss", "loss-ratio"] = "learned",
        alpha: Annotated[float, Field(ge=0, le=1)] = 0.5,
        temperature: Positive = 1.5,
        state: State = "all",
        lr: Positive = 0.1,
        weight_decay: Annotated[float, Field(ge=0)] = 0.05,
        step: Positive = 0.1,
        every: Annotated[int, Field(gt=0)] = 1,
        held_out: Annotated[int, Field(gt=0)] = 64,
    ) -> None:
        super().__init__()
        self.classes, self.weighting, self.alpha, self.temperature = classes, weighting, alpha, temperature
        self.step, self.every, self.held_out = step, every, held_out
        self.weights = {"tgeo": 1.0}
        self.learns_from_held = weighting == "learned"
        self.controller = FusionController(classes, state).requires_grad_(False)  # the loop's optimiser is not its own
        self.adam = KeptAdamW(self.controller.parameters(), lr=lr, weight_decay=weight_decay)
        self.means = ClassMeans(classes, classes)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("progress", torch.zeros(()))

    @torch.no_grad()
    def prepare(self, teacher: Teacher, batches: Iterable[Batch]) -> None:
        """Take the mean of the teacher's probabilities over each class of the training items."""
        self.means.clear()
        for batch in batches:
            logits = teacher(batch).logits
            assert isinstance(logits, Tensor)
            self.means.add(logits.softmax(-1), batch["labels"])

    def begin_step(self, progress: float) -> None:
        """Move the annealed share."""
        self.progress.fill_(progress)

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``tgeo``, over items; in training the controller learns before it is asked."""
        ours, theirs, labels = student.logits, teacher.logits, batch["labels"]
        assert isinstance(ours, Tensor)
        assert isinstance(theirs, Tensor)
        if self.weighting == "learned" and self.training and torch.is_grad_enabled() and len(ours):
            networks = self._known()
            if int(self.seen) % self.every == 0:
                held = networks.drawn(self.held_out, theirs.device)
                self.adam.descend(self.controller, lambda controller: self.outer_loss(controller, theirs, batch, held))
            self.seen += 1
        shares = self.shares(ours, theirs, labels)
        return {"tgeo": Term.over(fused_distillation(ours, theirs, labels, shares, temperature=self.temperature))}

    @torch.no_grad()
    def shares(self, ours: Tensor, theirs: Tensor, labels: Tensor) -> Tensor:
        """How much the teacher counts for each item."""
        if self.weighting == "learned":
            said: Tensor = self.controller(ours, theirs, labels, self.means())
            return said
        right, wrong = (F.cross_entropy(side.to(ours.dtype), labels, reduction="none") for side in (theirs, ours))
        if self.weighting == "teacher-loss":
            return (-right).exp()
        if self.weighting == "loss-ratio":
            return 1 - (-wrong / right.clamp(min=torch.finfo(ours.dtype).tiny)).exp()
        return torch.full_like(right, self.alpha if self.weighting == "fixed" else 1 - float(self.progress))

    def outer_loss(self, controller: dict[str, Tensor], theirs: Tensor, batch: Batch, held: Batch) -> Tensor:
        """Cross-entropy of held-out items after one step of the student on the batch.

        Args:
            controller: Its parameters; gradients flow back into them through that step.
            theirs: The teacher's logits of the batch.
            batch: What the student steps on.
            held: What it is then judged by.
        """
        known, labels = self._known(), batch["labels"]

        def inner(ours: Tensor) -> Tensor:
            shares = functional_call(self.controller, controller, (ours, theirs, labels, self.means()))
            return fused_distillation(ours, theirs, labels, shares, temperature=self.temperature).mean()

        def outer(ours: Tensor) -> Tensor:
            return F.cross_entropy(ours, held["labels"])

        return loss_after_step(known.student, known.inputs(batch), inner, known.inputs(held), outer, step=self.step)

    def _known(self) -> Networks:
        if self.networks is None or self.networks.held is None:
            raise LimbeckError(
                "method tgeo: weighting 'learned' needs the student itself and held-out items; "
                "possible without: fixed, annealed, teacher-loss, loss-ratio"
            )
        return self.networks
