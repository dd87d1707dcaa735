"""HARD: an augmenter learns to make inputs on which the student differs from the teacher, which stays as it was."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.divergence import forward_kl, forward_pair
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs, Positive, Weight
from limbeck.methods.unroll import KeptAdamW
from limbeck.models.vision.augment import Augmenter
from limbeck.signals import Signals


class HardAugmentation(Method):
    """``T^2 KL`` of teacher and student, on inputs as they are (``hard/clean``) and augmented (``hard/augmented``).

    The augmenter maximises ``D(T(x~), S(x~)) - D(T(x), T(x~))``, each with a weight, with gradients through both
    networks into ``x~``. A switch keeps the balance: where the teacher changes by more than ``bound``, only its change
    counts; where the student differs by less than ``least``, only the difference. It must meet both
    networks. It learns in the forward pass of the training, by an optimiser of its own.

    The equations are from memory of the paper: its code was not found.

    Args:
        family: Of :class:`~limbeck.models.vision.augment.Augmenter`.
        start: Its ranges at the beginning, as shares of the most that is possible.
        learn: Off: the ranges stay as they are.
        disagreement: Weight of ``D(T(x~), S(x~))``; 0 leaves it out.
        stability: Weight of ``D(T(x), T(x~))``; 0 leaves it out, and the switch too.
        bound: As above, in nats at temperature 1.
        least: Likewise.
        lr: Of the augmenter (AdamW).
        every: It learns at each so-many-th training batch.
        temperature: Of the student's terms.
        weight: Of each term, beside the square of the temperature.

    Reference:
        "HARD: Hard Augmentations for Robust Distillation", 2023, arXiv 2305.14890.

    Example:
        >>> HardAugmentation(temperature=2.0).weights
        {'hard/clean': 4.0, 'hard/augmented': 4.0}
    """

    name = "hard"
    reference = '"HARD: Hard Augmentations for Robust Distillation", 2023, arXiv 2305.14890'
    needs = Needs(logits=True, of_teacher="all")
    seen: Tensor

    def __init__(
        self,
        *,
        family: Literal["affine", "mix", "noise", "none"] = "affine",
        start: float | dict[str, float] = 0.1,
        learn: bool = True,
        disagreement: Weight = 1.0,
        stability: Weight = 1.0,
        bound: Positive = 0.3,
        least: Weight = 0.05,
        lr: Positive = 0.05,
        every: Annotated[int, Field(gt=0)] = 1,
        temperature: Positive = 1.0,
        weight: Positive = 1.0,
    ) -> None:
        super().__init__()
        self.augmenter = Augmenter(family, start).requires_grad_(False)  # the loop's optimiser is not its own
        self.learn = learn and family != "none"
        self.disagreement, self.stability, self.bound, self.least = disagreement, stability, bound, least
        self.every, self.temperature = every, temperature
        self.weights = dict.fromkeys(("hard/clean", "hard/augmented"), weight * temperature**2)
        self.adam = KeptAdamW(self.augmenter.parameters(), lr=lr)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """Both over items; in training the augmenter learns before it is asked."""
        assert isinstance(student.logits, Tensor)
        assert isinstance(teacher.logits, Tensor)
        network, theirs = self._both()
        assert self.networks is not None
        values = self.networks.inputs(batch)
        if self.learn and self.training and torch.is_grad_enabled() and len(values):
            if int(self.seen) % self.every == 0:
                told = teacher.logits
                self.adam.descend(self.augmenter, lambda augmenter: self.aim(augmenter, values, told))
            self.seen += 1
        with torch.no_grad():
            augmented = self.augmenter(values)
            told = theirs(augmented)
        return {
            "hard/clean": forward_kl(student.logits, teacher.logits, temperature=self.temperature),
            "hard/augmented": forward_kl(network(augmented), told, temperature=self.temperature),
        }

    def aim(self, augmenter: dict[str, Tensor], values: Tensor, told: Tensor) -> Tensor:
        """What the augmenter minimises, as a function of its parameters; neither network changes.

        Args:
            augmenter: Its parameters; gradients flow back into them through both networks.
            values: Inputs.
            told: The teacher's logits of them.
        """
        network, theirs = self._both()
        augmented: Tensor = functional_call(self.augmenter, augmenter, (values,))
        held: dict[str, Any] = {name: value.detach() for name, value in network.named_parameters()}
        held |= {name: value.clone() for name, value in network.named_buffers()}
        ours = functional_call(network, held, (augmented,)).log_softmax(-1)
        changed, before = theirs(augmented).log_softmax(-1), told.detach().log_softmax(-1)
        differs, moves = forward_pair(ours, changed).mean(), forward_pair(changed, before).mean()
        if self.stability and float(moves.detach()) > self.bound:
            return self.stability * moves
        if self.stability and self.disagreement and float(differs.detach()) < self.least:
            return -self.disagreement * differs
        return self.stability * moves - self.disagreement * differs

    def _both(self) -> tuple[nn.Module, nn.Module]:
        if self.networks is None or self.networks.teacher is None:
            raise LimbeckError("method hard: needs both networks themselves, not what they say alone")
        return self.networks.student, self.networks.teacher
