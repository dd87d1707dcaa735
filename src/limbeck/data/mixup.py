"""Mixup: items of a batch are averaged in pairs, inputs and labels alike; all of them, or only some."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.batch import Batch


@dataclass(frozen=True)
class Mixup:
    """Changes a batch: ``x = l x_a + (1 - l) x_b`` for two orders a and b of its items, and so with the labels.

    Each pair draws its own l. The number of pairs that are mixed is fixed; the others have ``l = 1``, and are the items
    in another order. Random numbers are torch's own, so that a resumed training draws what it would have drawn.

    Args:
        classes: How many there are.
        share: Of the pairs that are mixed: 1 is full mixup, less is partial.
        alpha: l is from a Beta distribution with this for both parameters: 1 is even, less is nearer to 0 and 1.
        inputs: The column that is mixed.

    Reference:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv 1710.09412. Partial: Choi et al.,
        "Understanding the Role of Mixup in Knowledge Distillation: An Empirical Study", WACV 2023, arXiv 2211.03946.

    Example:
        >>> batch = {"pixels": torch.ones(4, 3), "labels": torch.tensor([0, 1, 0, 1])}
        >>> mixed = Mixup(classes=2)(batch)
        >>> mixed["soft_labels"].sum(1).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    classes: int
    share: float = 1.0
    alpha: float = 1.0
    inputs: str = "pixels"

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.alpha <= 0:
            raise ValueError(f"share must be from 0 to 1 and alpha positive, got {self.share} and {self.alpha}")

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Mixed inputs, ``soft_labels`` and, as ``labels``, those of the greater share; other columns are left out."""
        values, labels = batch[self.inputs], batch["labels"]
        number = len(labels)
        first, second = (torch.randperm(number, device=labels.device) for _ in range(2))
        share = torch.distributions.Beta(self.alpha, self.alpha).sample((number,)).to(values)
        # The orders are random, so it may as well be the first that are mixed.
        share[round(self.share * number) :] = 1.0
        wide = share.view(-1, *[1] * (values.dim() - 1))
        ones = F.one_hot(labels, self.classes).to(values.dtype)
        return {
            self.inputs: wide * values[first] + (1 - wide) * values[second],
            "soft_labels": share.unsqueeze(1) * ones[first] + (1 - share.unsqueeze(1)) * ones[second],
            "labels": torch.where(share >= 0.5, labels[first], labels[second]),
        }
