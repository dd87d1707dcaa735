"""Swing distillation: words that look private are taught hot and noisy, the others as usual."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.losses.divergence import forward_kl
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals

Share = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(gt=0)]


class SwingDistillation(Method):
    """Forward KL with a temperature a word and noise in the target, both by how private the word is.

    With ``s`` in ``[0, 1]`` the privacy of the word that comes next, ``T = base + (highest - base) s`` and
    ``p' = (1 - noise s) softmax(z_T / T) + noise s u``, where ``u`` is drawn from all distributions alike; the loss is
    ``KL(p', softmax(z_S / T))``. It is multiplied by ``base^2``, and not by ``T^2``, which would undo the flattening.
    Some words that are not private get noise too, so that noise itself tells nothing.

    Privacy is ``batch["privacy"]``, ``(batch, tokens)``, where there is one; else 1 for words of ``private_words``.

    Of the paper only the abstract could be read: these formulas are written to agree with it, and are not the paper's.

    Args:
        base: Temperature of words that are not private.
        highest: Of those that are.
        noise: Share of noise in the target of a private word; in training only.
        perturbed: Share of the other words that get as much.
        private_words: Ids that are private.
        everywhere: All words are treated as private, for comparison.

    Raises:
        ValueError: ``highest`` is below ``base``.

    Reference:
        "Swing Distillation: A Privacy-Preserving Knowledge Distillation Framework", 2022, arXiv 2212.08349.

    Example:
        >>> method = SwingDistillation(private_words=(3,), noise=0.0)
        >>> method.temperatures(torch.tensor([[1.0, 0.0]])).tolist()
        [[15.0, 1.0]]
    """

    name = "swing"
    reference = '"Swing Distillation: A Privacy-Preserving Knowledge Distillation Framework", 2022, arXiv 2212.08349'
    needs = Needs(logits=True, of_teacher="all")
    private: Tensor

    def __init__(
        self,
        *,
        base: Temperature = 1.0,
        highest: Temperature = 15.0,
        noise: Share = 0.5,
        perturbed: Share = 0.05,
        private_words: tuple[int, ...] = (),
        everywhere: bool = False,
    ) -> None:
        if highest < base:
            raise ValueError(f"highest ({highest}) is below base ({base})")
        super().__init__()
        self.base, self.highest, self.noise, self.perturbed = base, highest, noise, perturbed
        self.everywhere = everywhere
        self.weights = {"swing": base**2}
        self.register_buffer("private", torch.tensor(private_words, dtype=torch.int64))

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """``swing``, over the positions of the student's mask."""
        assert isinstance(student.logits, Tensor)
        assert isinstance(teacher.logits, Tensor)
        scores = self.scores(student.logits, batch)
        heat = self.temperatures(scores).unsqueeze(-1)
        target = self.target(teacher.logits.to(student.logits.dtype) / heat, scores)
        return {"swing": forward_kl(student.logits / heat, target, mask=student.mask)}

    def scores(self, logits: Tensor, batch: Batch) -> Tensor:
        """How private each word is that comes next, ``(batch, tokens)``."""
        if self.everywhere:
            return logits.new_ones(logits.shape[:-1])
        if "privacy" in batch:
            return torch.as_tensor(batch["privacy"]).to(logits)
        if "targets" not in batch:
            return logits.new_zeros(logits.shape[:-1])
        return torch.isin(batch["targets"], self.private).to(logits.dtype)

    def temperatures(self, scores: Tensor) -> Tensor:
        """The temperature of each word."""
        return self.base + (self.highest - self.base) * scores

    def target(self, heated: Tensor, scores: Tensor) -> Tensor:
        """Log-probabilities of the target; without noise outside training.

        Args:
            heated: The teacher's logits over their temperatures. ``(batch, tokens, vocab)``.
            scores: ``(batch, tokens)``.
        """
        if not (self.training and self.noise):
            return heated.detach().log_softmax(-1)
        drawn = torch.rand(scores.shape, device=scores.device) < self.perturbed
        share = (self.noise * torch.where(drawn, torch.ones_like(scores), scores)).unsqueeze(-1)
        # Exponential numbers over their sum: a Dirichlet distribution with all its parameters 1.
        u = torch.empty_like(heated).exponential_()
        mixed = (1.0 - share) * heated.detach().softmax(-1) + share * (u / u.sum(-1, keepdim=True))
        return mixed.clamp(min=torch.finfo(mixed.dtype).tiny).log()
