"""Means over the items of each class, for methods that compare an item with its class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from limbeck.batch import IGNORED
from limbeck.errors import LimbeckError


class ClassMeans(nn.Module):
    """Sums and counts by class, in buffers, and so in the checkpoint.

    Args:
        classes: How many there are.
        width: Of what is averaged.

    Example:
        >>> means = ClassMeans(classes=2, width=1)
        >>> means.add(torch.tensor([[1.0], [3.0]]), torch.tensor([1, 1]))
        >>> means().tolist()
        [[0.0], [2.0]]
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(classes, width))
        self.register_buffer("counts", torch.zeros(classes))

    def clear(self) -> None:
        """Forget all items."""
        self.sums.zero_()
        self.counts.zero_()

    @torch.no_grad()
    def add(self, values: Tensor, labels: Tensor) -> None:
        """Count items in.

        Args:
            values: ``(items, width)``.
            labels: Their classes; items whose label is ignored are left out.

        Raises:
            LimbeckError: A label is no class.
        """
        known = labels != IGNORED
        labels, values = labels[known], values[known].to(self.sums.dtype)
        for label in (labels.min(), labels.max()) if labels.numel() else ():
            if not 0 <= int(label) < len(self.counts):
                raise LimbeckError(f"a label {int(label)} with classes = {len(self.counts)}")
        self.sums.index_add_(0, labels, values)
        self.counts.index_add_(0, labels, torch.ones_like(labels, dtype=self.counts.dtype))

    def seen(self, labels: Tensor) -> Tensor:
        """Whether anything of an item's class was counted; of an ignored label nothing was."""
        return (labels != IGNORED) & (self.counts[labels.clamp(min=0)] > 0)

    def forward(self) -> Tensor:
        """The means, ``(classes, width)``; 0 where nothing of a class was seen."""
        return self.sums / self.counts.clamp(min=1).unsqueeze(-1)
