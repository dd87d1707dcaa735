"""TRG: tokens shall be related to each other, within a picture and across the batch, as with the teacher."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.term import Term
from limbeck.losses.tokens import inner_relations, token_contrast, token_graph_divergence
from limbeck.methods.base import Method, Needs, Positive, Weight
from limbeck.signals import Signals


class TokenRelations(Method):
    """Three terms about tokens: places of feature maps, averaged over the coarser grid of the two, or patches.

    ``trg/inner``: how the tokens of a picture look at each other. ``trg/local``: the graph of nearest neighbours over
    tokens of the whole batch. ``trg/global``: each token, projected, is told to be the teacher's same among all, at a
    temperature that falls during the training. To be added to a logit method.

    The paper's code was not found, and its equations are known from a note that quotes them; hyperparameters are ours.

    Args:
        student: Path of the student's module: maps ``(batch, width, height, width)``, or tokens ``(batch, tokens,
            width)``, the first of which is left out if the others fill a square and all do not.
        teacher: Path of the teacher's.
        inner: Weight of the term; at 0 it is left out. So it is with the others.
        local: Likewise.
        contrast: Of ``trg/global``.
        tokens: So many of each picture are drawn for the graph, at the same places for both sides; all are taken if
            there are no more.
        neighbours: Of a node in the graph.
        sigma: Width of the graph's kernel, in mean squared distances of neighbours.
        order: Of the graphs' KL; see :func:`~limbeck.losses.tokens.token_graph_divergence`.
        start: Temperature of ``trg/global`` at the beginning.
        end: At the end.
        schedule: How it goes from one to the other.

    Raises:
        ValueError: All weights are 0.

    Reference:
        "Knowledge Distillation via Token-level Relationship Graph", 2023, arXiv 2306.12442.

    Example:
        >>> method = TokenRelations(student="stages.1", teacher="stages.1", inner=0.0)
        >>> method.begin_step(1.0)
        >>> sorted(method.weights), round(float(method.temperature), 2)
        (['trg/global', 'trg/local'], 0.07)
    """

    name = "trg"
    reference = '"Knowledge Distillation via Token-level Relationship Graph", 2023, arXiv 2306.12442'
    temperature: Tensor

    def __init__(
        self,
        *,
        student: str,
        teacher: str,
        inner: Weight = 1.0,
        local: Weight = 1.0,
        contrast: Weight = 1.0,
        tokens: Annotated[int, Field(gt=0)] = 4,
        neighbours: Annotated[int, Field(gt=0)] = 8,
        sigma: Positive = 1.0,
        order: Literal["reverse", "forward"] = "reverse",
        start: Positive = 0.5,
        end: Positive = 0.07,
        schedule: Literal["linear", "cosine"] = "linear",
    ) -> None:
        weights = {"trg/inner": inner, "trg/local": local, "trg/global": contrast}
        if not any(weights.values()):
            raise ValueError("inner, local and contrast are all 0: nothing is left to learn by")
        super().__init__()
        self.sites, self.tokens, self.neighbours, self.sigma = (student, teacher), tokens, neighbours, sigma
        self.order, self.start, self.end, self.schedule = order, start, end, schedule
        self.needs = Needs(student_hidden=(student,), teacher_hidden=(teacher,))
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.projection: nn.Module = nn.Identity()
        self.register_buffer("temperature", torch.tensor(start))

    def connect(self, student: Signals, teacher: Signals) -> None:
        """Make the projection that ``trg/global`` needs."""
        ours, theirs = self._grids(student, teacher)
        if "trg/global" in self.weights:
            self.projection = nn.Linear(ours.shape[-1], theirs.shape[-1], bias=False)

    def begin_step(self, progress: float) -> None:
        """Lower the temperature."""
        share = progress if self.schedule == "linear" else (1 - math.cos(math.pi * progress)) / 2
        self.temperature.fill_(self.start + (self.end - self.start) * share)

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``trg/inner`` over pictures, ``trg/local`` and ``trg/global`` over the nodes of the graph."""
        ours, theirs = self._grids(student, teacher)
        terms = {}
        if "trg/inner" in self.weights:
            terms["trg/inner"] = Term.over(inner_relations(ours, theirs))
        nodes, others = self._nodes(ours, theirs)
        if "trg/local" in self.weights:
            terms["trg/local"] = token_graph_divergence(
                nodes, others, neighbours=self.neighbours, sigma=self.sigma, order=self.order
            )
        if "trg/global" in self.weights:
            terms["trg/global"] = token_contrast(self.projection(nodes), others, temperature=float(self.temperature))
        return terms

    def _nodes(self, ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
        """Some tokens of each picture, the same of both sides, as one set."""
        number, places = ours.shape[:2]
        if places > self.tokens:
            drawn = torch.rand(number, places, device=ours.device).argsort(1)[:, : self.tokens]
            rows = torch.arange(number, device=ours.device).unsqueeze(1)
            ours, theirs = ours[rows, drawn], theirs[rows, drawn]
        return ours.flatten(0, 1), theirs.flatten(0, 1)

    def _grids(self, student: Signals, teacher: Signals) -> tuple[Tensor, Tensor]:
        if student.mask is not None and not bool(student.mask.all()):
            raise LimbeckError("method trg: for pictures, whose tokens all count; the student has a mask")
        maps = [
            _map(side.hidden[site], site) for side, site in zip((student, teacher), self.sites, strict=True)
        ]  # both (batch, width, side, side)
        height, width = (min(side.shape[axis] for side in maps) for axis in (2, 3))
        ours, theirs = (F.adaptive_avg_pool2d(side, (height, width)).flatten(2).transpose(1, 2) for side in maps)
        return ours, theirs.to(ours.dtype)


def _map(hidden: Tensor, site: str) -> Tensor:
    if hidden.dim() == 4:
        return hidden
    if hidden.dim() == 3:
        for tokens in (hidden, hidden[:, 1:]):
            side = math.isqrt(tokens.shape[1])
            if side and side**2 == tokens.shape[1]:
                return tokens.transpose(1, 2).unflatten(2, (side, side))
    raise LimbeckError(
        f"method trg: {site!r} gives {tuple(hidden.shape)}; expected maps, or patches that fill a square"
    )
