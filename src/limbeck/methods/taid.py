"""TAID: the target moves from the student's own distribution to the teacher's as fast as the student follows."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.distributed
from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.losses.taid import taid_divergence, taid_update
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.methods.stored import check_sparse
from limbeck.signals import Signals, SparseLogits
from limbeck.teachers.store.settings import Keep

Share = Annotated[float, Field(ge=0, le=1)]


class TemporallyAdaptiveDistillation(Method):
    """Forward KL to a target between student and teacher, whose share ``t`` of the teacher adapts to the loss.

    In evaluation mode the target is that of the end, ``t = t_end``: a validation shall tell how far the student is, and
    not how far its target has moved.

    Args:
        t_start: The teacher's share at the beginning.
        t_end: At the end.
        alpha: Largest step of the share beyond the straight line.
        beta: How slowly the momentum of the loss follows.
        adaptive: Off: the share follows the straight line alone.

    Reference:
        Shing et al., "TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge Transfer in Language
        Models", ICLR 2025, arXiv 2501.16937.

    Example:
        >>> method = TemporallyAdaptiveDistillation(adaptive=False)
        >>> method.begin_step(0.5)
        >>> round(float(method.t), 3)
        0.7
    """

    name = "taid"
    reference = (
        'Shing et al., "TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge Transfer in '
        'Language Models", ICLR 2025, arXiv 2501.16937'
    )
    needs = Needs(logits=True)
    positionwise = True
    t: Tensor
    momentum: Tensor
    previous: Tensor
    seen: Tensor

    def __init__(
        self,
        *,
        t_start: Share = 0.4,
        t_end: Share = 1.0,
        alpha: Annotated[float, Field(ge=0)] = 5e-4,
        beta: Annotated[float, Field(ge=0, lt=1)] = 0.99,
        adaptive: bool = True,
    ) -> None:
        if t_start > t_end:
            raise ValueError(f"t_start ({t_start}) is greater than t_end ({t_end})")
        super().__init__()
        self.t_start, self.t_end, self.alpha, self.beta, self.adaptive = t_start, t_end, alpha, beta, adaptive
        self.weights = {"taid": 1.0}
        # Buffers, so that they are in the checkpoint. Exact in float64: a resumed run must take the same steps.
        for buffer, value in (("t", t_start), ("momentum", 0.0), ("previous", -1.0)):
            self.register_buffer(buffer, torch.tensor(value, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros(2, dtype=torch.float64))

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """One term; what it is in training decides how ``t`` moves at the next step."""
        assert isinstance(student.logits, Tensor)
        assert isinstance(teacher.logits, Tensor | SparseLogits)
        t = float(self.t) if self.training else self.t_end
        term = taid_divergence(student.logits, teacher.logits, t, mask=student.mask, entropy=False)
        if self.training:
            self.seen += torch.stack([term.total.detach(), term.count]).to(self.seen)
        return {"taid": term}

    def check_stored(self, keep: Keep) -> None:
        """Say early that classes which were drawn will not do."""
        super().check_stored(keep)
        check_sparse(self.name, keep, taid_divergence)

    def begin_step(self, progress: float) -> None:
        """Move ``t`` by the loss of the step that has been."""
        seen = self.seen.clone()
        self.seen.zero_()
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(seen)
        line = self.t_start + (self.t_end - self.t_start) * progress
        if not self.adaptive:
            self.t.fill_(line)
        if not self.adaptive or not seen[1]:
            return
        loss = float(seen[0] / seen[1])
        previous = float(self.previous) if self.previous >= 0 else None
        t, momentum = taid_update(
            float(self.t),
            float(self.momentum),
            previous,
            loss,
            progress,
            t_start=self.t_start,
            t_end=self.t_end,
            alpha=self.alpha,
            beta=self.beta,
        )
        self.t.fill_(t)
        self.momentum.fill_(momentum)
        self.previous.fill_(loss)
