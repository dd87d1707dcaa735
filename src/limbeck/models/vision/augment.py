"""Augmenters whose ranges are parameters: differentiable affine maps, mixing, and noise."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Family = Literal["affine", "mix", "noise", "none"]
_LIMITS: dict[str, dict[str, float]] = {
    # shift in halves of the side, rotation in radians, scale in natural logarithms
    "affine": {"shift": 0.5, "rotation": 1.0, "scale": 0.3},
    "mix": {"mix": 1.0},
    "noise": {"noise": 1.0},
    "none": {},
}


class Augmenter(nn.Module):
    """Changes pictures at random, as far as its ranges allow; gradients flow into the ranges through the pictures.

    Each range is a share of the most that is possible, ``sigmoid(r)``: of the shift (half the side), of the rotation
    (one radian), of the scale (a factor of 1.35) for ``affine``; of the other picture's weight (all of it) for ``mix``;
    of the noise's deviation (1, pixels lie from -1 to 1) for ``noise``. Every picture draws evenly within the ranges.

    Args:
        family: What is done; ``none`` gives the pictures back.
        start: Each range at the beginning, as a share of the most; by name where they differ.

    Raises:
        ValueError: There is no such family or range, or a share is not between 0 and 1.

    Example:
        >>> augment = Augmenter("affine", 0.1)
        >>> augment(torch.zeros(2, 3, 8, 8)).shape, round(augment.ranges()["shift"], 2)
        (torch.Size([2, 3, 8, 8]), 0.05)
    """

    def __init__(self, family: Family = "affine", start: float | dict[str, float] = 0.1) -> None:
        super().__init__()
        if family not in get_args(Family):
            raise ValueError(f"augmenter: family must be one of {', '.join(get_args(Family))}, got {family!r}")
        limits = _LIMITS[family]
        shares = dict.fromkeys(limits, start) if isinstance(start, float | int) else start
        if shares.keys() != limits.keys() or not all(0 < share < 1 for share in shares.values()):
            raise ValueError(f"augmenter: start must have a share between 0 and 1 of {', '.join(limits)}, got {start}")
        self.family, self.limits = family, limits
        self.raw = nn.ParameterDict({name: nn.Parameter(torch.logit(torch.tensor(shares[name]))) for name in limits})

    def ranges(self) -> dict[str, float]:
        """How far each goes now."""
        return {name: limit * float(self.raw[name].detach().sigmoid()) for name, limit in self.limits.items()}

    def forward(self, pixels: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch 3 size size"]:
        """The pictures, each changed by draws of its own."""
        if self.family == "none":
            return pixels
        number = len(pixels)
        most = {name: limit * self.raw[name].sigmoid() for name, limit in self.limits.items()}
        if self.family == "noise":
            return pixels + most["noise"] * torch.randn_like(pixels)
        if self.family == "mix":
            weight = (most["mix"] * torch.rand(number, 1, 1, 1).to(pixels)).to(pixels.dtype)
            return (1 - weight) * pixels + weight * pixels[torch.randperm(number, device=pixels.device)]
        x, y, turn, zoom = (2 * torch.rand(4, number).to(pixels) - 1).unbind()
        angle, factor = most["rotation"] * turn, (most["scale"] * zoom).exp()
        cos, sin = factor * angle.cos(), factor * angle.sin()
        # The grid spans -1 to 1, so a shift of half the side is 1 there.
        rows = [torch.stack([cos, -sin, 2 * most["shift"] * x], -1), torch.stack([sin, cos, 2 * most["shift"] * y], -1)]
        grid = F.affine_grid(torch.stack(rows, 1).to(pixels.dtype), list(pixels.shape), align_corners=False)
        return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
