"""A small convolutional network for small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Stages that halve the picture, then a linear classifier of the pooled top map.

    Each stage is a strided convolution and a plain one, so that there are maps within a stage (``stages.0.0``) and at
    its end (``stages.0``).

    Args:
        labels: Number of outputs.
        widths: Channels of each stage.

    Example:
        >>> import torch
        >>> SmallCNN(5)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 5])
    """

    def __init__(self, labels: int, widths: Sequence[int] = (32, 48, 64)) -> None:
        super().__init__()
        channels = [3, *widths]
        self.stages = nn.ModuleList(
            nn.Sequential(_convolution(below, above, stride=2), _convolution(above, above, stride=1))
            for below, above in pairwise(channels)
        )
        self.classifier = nn.Linear(widths[-1], labels)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b labels"]:
        """Logits of standardised pictures."""
        states = images
        for stage in self.stages:
            states = stage(states)
        return self.classifier(F.adaptive_avg_pool2d(states, 1).flatten(1))


def _convolution(below: int, above: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(below, above, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(above), nn.ReLU()
    )
