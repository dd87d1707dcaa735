"""Transformer blocks whose perceptron is several experts, of which each token takes a few."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Experts(nn.Module):
    """Each token goes to the experts that a linear router likes best, weighed by the router's softmax over these.

    Args:
        width: Of the tokens.
        hidden: Of each expert's hidden layer.
        count: Experts.
        top: How many each token takes.

    Reference:
        Riquelme et al., "Scaling Vision with Sparse Mixture of Experts", NeurIPS 2021, arXiv 2106.05974.

    Example:
        >>> Experts(8, 16, count=4, top=2)(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, width: int, hidden: int, *, count: int = 4, top: int = 2) -> None:
        super().__init__()
        self.top = top
        self.router = nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)) for _ in range(count)
        )

    def forward(self, tokens: Float[Tensor, "*some width"]) -> Float[Tensor, "*some width"]:
        """What the chosen experts say; an expert sees its own tokens alone."""
        flat = tokens.flatten(0, -2)
        scores, chosen = self.router(flat).topk(self.top, -1)
        shares = scores.softmax(-1)
        said = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            rows, place = torch.nonzero(chosen == number, as_tuple=True)
            said = said.index_add(0, rows, expert(flat[rows]) * shares[rows, place].unsqueeze(-1))
        return said.view_as(tokens)


class ExpertBlock(nn.Module):
    """Attention and experts, each after a norm and with a shortcut.

    Args:
        width: Of the tokens, in fours.
        hidden: Of each expert.
        count: Experts.
        top: How many each token takes.
    """

    def __init__(self, width: int, hidden: int, *, count: int = 4, top: int = 2) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.experts = Experts(width, hidden, count=count, top=top)

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        """The tokens, changed."""
        normed = self.norms[0](tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        changed: Tensor = tokens + self.experts(self.norms[1](tokens))
        return changed
