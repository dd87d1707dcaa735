"""Exits: small branches from a hidden state of any family to logits."""

from __future__ import annotations

import math

from torch import Tensor, nn

from limbeck.errors import LimbeckError


def exit_branch(shape: tuple[int, ...], classes: int, width: int) -> nn.Module:
    """A branch for hidden states of a shape.

    Maps are halved by separable convolutions until they are 2 x 2 at most, and averaged; tokens that fill a square are
    merged four by four until they are, pass a transformer block, and are averaged; vectors go to the classes directly.

    Args:
        shape: ``(batch, width, height, width)``, ``(batch, tokens, width)``, the first token left out where only the
            others fill a square, or ``(batch, width)``.
        classes: How many there are.
        width: Of the branch.

    Raises:
        LimbeckError: It is none of those.

    Reference:
        Hao et al., "One-for-All", NeurIPS 2023, arXiv 2310.19444; there grids end at 7 x 7.

    Example:
        >>> import torch
        >>> exit_branch((2, 8, 8, 8), 5, 16)(torch.zeros(2, 8, 8, 8)).shape
        torch.Size([2, 5])
    """
    if len(shape) == 2:
        return nn.Linear(shape[1], classes)
    if len(shape) == 4:
        halvings = max(0, math.ceil(math.log2(shape[2] / 2)))
        blocks: list[nn.Module] = [_separable(shape[1] if not n else width, width) for n in range(halvings)]
        if not blocks:
            blocks = [nn.Conv2d(shape[1], width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
    if len(shape) == 3:
        for skip in (0, 1):
            side = math.isqrt(shape[1] - skip)
            if side and side**2 == shape[1] - skip:
                return _TokenExit(skip, side, shape[2], classes, width)
    raise LimbeckError(f"an exit needs maps, tokens that fill a square, or vectors; got {shape}")


def _separable(given: int, width: int) -> nn.Module:
    """Depthwise and pointwise convolution twice, the first with a stride of 2."""
    return nn.Sequential(
        nn.Conv2d(given, given, 3, stride=2, padding=1, groups=given, bias=False),
        nn.Conv2d(given, given, 1, bias=False),
        nn.BatchNorm2d(given),
        nn.ReLU(),
        nn.Conv2d(given, given, 3, padding=1, groups=given, bias=False),
        nn.Conv2d(given, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class _TokenExit(nn.Module):
    def __init__(self, skip: int, side: int, given: int, classes: int, width: int) -> None:
        super().__init__()
        self.skip, self.side = skip, side
        merging: list[nn.Module] = []
        while side > 2 and side % 2 == 0:
            merging += [_Merge(side), nn.LayerNorm(4 * given), nn.Linear(4 * given, width, bias=False)]
            side, given = side // 2, width
        if not merging:
            merging = [nn.Linear(given, width)]
        self.merge = nn.Sequential(*merging)
        self.block = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.block(self.merge(tokens[:, self.skip :])).mean(1))
        return logits


class _Merge(nn.Module):
    """Four neighbours on a grid become one token, four times as wide."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, tokens: Tensor) -> Tensor:
        half = self.side // 2
        grid = tokens.unflatten(1, (half, 2, half, 2))
        return grid.permute(0, 1, 3, 2, 4, 5).reshape(len(tokens), half * half, -1)
