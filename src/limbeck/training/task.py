"""What the loop trains: anything whose forward gives named terms."""

from __future__ import annotations

import abc
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.losses.term import Term
from limbeck.training.seed import undisturbed_randomness


class Task(nn.Module, abc.ABC):
    """Owns the model that learns, its teachers and its method; its forward gives named terms.

    The loop minimises ``sum over names of weights[name] * total / count`` where total and count are added over the
    accumulation steps and processes of one optimiser step. A name without a weight is logged and not trained on.
    Every batch gives the same names; a term that has nothing to count is a sum of 0 over a count of 0.

    Args:
        weights: The weight of each term.
    """

    weights: dict[str, float]

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)

    @abc.abstractmethod
    def forward(self, batch: Batch) -> dict[str, Term]:
        """The named terms of one (micro-)batch."""

    def draw(self, batch: Batch) -> Batch:
        """What a step learns from in place of a batch: by default the batch itself.

        It is asked once for each batch of a step, before anything is counted, so what is drawn at random here (texts
        that the student writes, say) is the same for the counts and for the forward pass.
        """
        return batch

    def counts(self, batch: Batch) -> dict[str, Tensor]:
        """The count of each term, before the forward pass; needed only where gradients are accumulated.

        The default runs the forward pass without gradients, and puts buffers (running statistics, say) and random
        states back after it. A task that can tell its counts from the batch alone (the number of target tokens, say)
        overrides this; the loop checks what it says against the forward pass.
        """
        with torch.no_grad(), undisturbed_randomness():
            kept = [(buffer, buffer.clone()) for buffer in self.buffers()]
            counts = {name: term.count for name, term in self(batch).items()}
            for buffer, value in kept:
                buffer.copy_(value)
        return counts
