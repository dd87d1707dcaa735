"""DAC-KL: a small network clips the teacher's distribution to its dense part; and relations within spans."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from limbeck.batch import IGNORED, Batch
from limbeck.losses.dac import dac_kl
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals

Positive = Annotated[int, Field(gt=0)]


class DistributionAdaptiveClipping(Method):
    """Forward KL among the classes between two quantiles of the teacher, which a network learns to choose.

    The network reads the teacher's ``top`` largest probabilities and the student's at the same classes, and gives an
    upper quantile ``u`` and a lower one ``l``, ``0 <= l < u <= 1``; the word that comes next is always kept. With
    ``span_weight`` there is a second term: for neighbouring words of one span the products ``p(i) p(i + 1)`` of
    probability vectors shall be the teacher's, by their L2 distance.

    The layout of the network and the soft choice are ours: the paper leaves them open, and no code was found.

    Args:
        top: Classes that the network reads.
        hidden: Width of the network.
        learned: Off: ``lower`` and ``upper`` stay as they are.
        lower: The lower quantile, where it is not learned.
        upper: The upper one.
        scale: Softness of the choice, in quantiles.
        minimum: The teacher's mass that is kept at least.
        quantile: Whether quantiles count ``"classes"`` or their ``"mass"``.
        span_weight: Weight of the spans' term; 0 leaves it out.
        span_words: Ids of words that stand in spans; needed for the term.
        span_begins: Ids of those that begin a new one.

    Raises:
        ValueError: There is a span weight without words.

    Reference:
        Liu et al., "Multi-Granularity Semantic Revision for Large Language Model Distillation", 2024,
        arXiv 2407.10068.
    """

    name = "dac-kl"
    reference = (
        'Liu et al., "Multi-Granularity Semantic Revision for Large Language Model Distillation", 2024, '
        "arXiv 2407.10068"
    )
    needs = Needs(logits=True, of_teacher="all")
    members: Tensor
    begins: Tensor

    def __init__(
        self,
        *,
        top: Positive = 32,
        hidden: Positive = 32,
        learned: bool = True,
        lower: float = 0.0,
        upper: float = 1.0,
        scale: Annotated[float, Field(gt=0)] = 0.05,
        minimum: Annotated[float, Field(ge=0, le=1)] = 0.5,
        quantile: Literal["classes", "mass"] = "classes",
        span_weight: Annotated[float, Field(ge=0)] = 0.0,
        span_words: tuple[int, ...] = (),
        span_begins: tuple[int, ...] = (),
    ) -> None:
        if span_weight and not span_words:
            raise ValueError("span_weight needs span_words")
        super().__init__()
        self.top, self.scale, self.minimum, self.quantile = top, scale, minimum, quantile
        self.fixed = None if learned else (lower, upper)
        self.network = nn.Sequential(nn.Linear(2 * top, hidden), nn.ReLU(), nn.Linear(hidden, 2)) if learned else None
        self.weights = {"dac_kl": 1.0, **({"span": span_weight} if span_weight else {})}
        self.register_buffer("members", torch.tensor(span_words, dtype=torch.int64))
        self.register_buffer("begins", torch.tensor(span_begins, dtype=torch.int64))

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``dac_kl`` over the positions of the student's mask, and ``span`` over pairs of neighbours in a span."""
        ours, theirs, mask = student.logits, teacher.logits, student.mask
        assert isinstance(ours, Tensor)
        assert isinstance(theirs, Tensor)
        targets = batch.get("targets")
        lower, upper = self.quantiles(ours, theirs, mask)
        terms = {
            "dac_kl": dac_kl(
                ours,
                theirs,
                lower,
                upper,
                targets,
                scale=self.scale,
                minimum=self.minimum,
                quantile=self.quantile,
                mask=mask,
            )
        }
        if "span" in self.weights:
            terms["span"] = self._span(ours, theirs, batch["targets"])
        return terms

    def quantiles(self, ours: Tensor, theirs: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """The lower and the upper quantile of each position."""
        if self.network is None or self.fixed is not None:
            assert self.fixed is not None
            lower, upper = (ours.new_full(ours.shape[:-1], value) for value in self.fixed)
            return lower, upper
        ours, theirs = ours.detach(), theirs.detach().to(ours.dtype)
        if mask is not None:  # what does not count may be NaN, and would reach the network's gradient
            ours, theirs = (side.masked_fill(~mask.unsqueeze(-1), 0.0) for side in (ours, theirs))
        p, ids = theirs.softmax(-1).topk(min(self.top, theirs.shape[-1]), dim=-1)
        seen = [F.pad(side, (0, self.top - side.shape[-1])) for side in (p, ours.softmax(-1).gather(-1, ids))]
        above, share = self.network(torch.cat(seen, -1)).sigmoid().unbind(-1)
        return above * share, above

    def _span(self, ours: Tensor, theirs: Tensor, targets: Tensor) -> Term:
        first, second = targets[:, :-1], targets[:, 1:]
        pairs = (second != IGNORED) & torch.isin(first, self.members) & torch.isin(second, self.members)
        pairs &= ~torch.isin(second, self.begins)
        products = []
        for side in (ours, theirs.detach().to(ours.dtype)):
            products.append(side[:, :-1][pairs].softmax(-1) * side[:, 1:][pairs].softmax(-1))
        return Term.over(torch.linalg.vector_norm(products[0] - products[1], dim=-1))
