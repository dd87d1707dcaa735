"""A small network that says how much each item's teacher shall count."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = Literal["all", "without-means", "truth-edges"]
_PARTS: dict[State, int] = {"all": 9, "without-means": 6, "truth-edges": 2}


class FusionController(nn.Module):
    """Three layers from the triangle of student, teacher and truth to a share between 0 and 1.

    Args:
        classes: How many there are.
        state: What it reads of the probability vectors of student S, teacher T, truth G and class mean M: all of them
            and their squared differences, all but what has the mean, or ``(S - G)^2`` and ``(T - G)^2`` alone.

    Reference:
        "Less or More From Teacher: Exploiting Trilateral Geometry For Knowledge Distillation", ICLR 2024,
        arXiv 2312.15112.

    Example:
        >>> FusionController(10)(torch.zeros(4, 10), torch.zeros(4, 10), torch.arange(4), torch.zeros(10, 10)).shape
        torch.Size([4])
    """

    def __init__(self, classes: int, state: State = "all") -> None:
        super().__init__()
        self.classes, self.state = classes, state
        wide = _PARTS[state] * classes
        self.layers = nn.Sequential(
            nn.Linear(wide, 32), nn.LeakyReLU(), nn.Linear(32, 16), nn.LeakyReLU(), nn.Linear(16, 1)
        )

    def forward(self, student: Tensor, teacher: Tensor, labels: Tensor, means: Tensor) -> Tensor:
        """A share for each item; no gradient flows into the logits.

        Args:
            student: Logits, ``(items, classes)``.
            teacher: Likewise.
            labels: The right classes, ``(items,)``.
            means: The teacher's mean probabilities over each class, ``(classes, classes)``.
        """
        s, t = (side.detach().to(means.dtype).softmax(-1) for side in (student, teacher))
        g = F.one_hot(labels, self.classes).to(means.dtype)
        edges = [(g - s).square(), (t - g).square()]
        parts = edges if self.state == "truth-edges" else [s, t, g, (t - s).square(), *edges]
        if self.state == "all":
            mean = means[labels]
            parts = [*parts, mean, (mean - s).square(), (mean - g).square()]
        said: Tensor = self.layers(torch.cat(parts, -1))
        return said.squeeze(-1).sigmoid().to(student.dtype)
