"""Several teachers that speak as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.signals import Signals, SparseLogits
from limbeck.teachers.base import Teacher

BatchWeights = Callable[[Batch, Sequence[Signals]], Tensor]
"""From a batch and what each teacher said of it to weights, ``(teachers,)`` or ``(teachers, *positions)``."""


class Ensemble:
    """Teachers whose logits are averaged.

    Hidden states and attention maps are not: they are given under the teacher's number, as ``"0.encoder.layer.3"``.

    Args:
        teachers: At least one; all over one vocabulary.
        weights: How much each counts; they are normalised. By default all count alike.
        mean: ``"probabilities"`` averages distributions (the mixture), dense or sparse. ``"logits"`` averages scores
            before the softmax (the normalised geometric mean of the distributions), dense only.
        batch_weights: Finds the weights for each batch, in place of ``weights``; they are normalised over teachers.

    Raises:
        LimbeckError: There is no teacher, or the weights are not one non-negative number a teacher with a positive sum.

    Note:
        Of sparse teachers the union of their classes is given. A class that only some of them kept is given what these
        say of it; what it has of the others' left-over mass is not known and stays in the mass left over.

    Example:
        >>> one, two = (lambda batch, p=p: Signals(torch.tensor([[p, 1 - p]]).log()) for p in (0.5, 0.9))
        >>> said = Ensemble([one, two], [1, 3])({})
        >>> [round(float(p), 3) for p in said.logits.exp()[0]]
        [0.8, 0.2]
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        weights: Sequence[float] | None = None,
        *,
        mean: Literal["probabilities", "logits"] = "probabilities",
        batch_weights: BatchWeights | None = None,
    ) -> None:
        if not teachers:
            raise LimbeckError("teachers: an ensemble needs at least one")
        if mean not in ("probabilities", "logits"):
            raise LimbeckError(f"mean: got {mean!r}; possible: 'probabilities', 'logits'")
        if weights is not None and batch_weights is not None:
            raise LimbeckError("weights: give either weights or batch_weights")
        self.teachers, self.mean, self.batch_weights = tuple(teachers), mean, batch_weights
        self.weights = torch.tensor([1.0] * len(teachers) if weights is None else list(weights), dtype=torch.float64)
        self._normalised(self.weights)

    def __call__(self, batch: Batch) -> Signals:
        """What the teachers say together.

        Raises:
            LimbeckError: They have other positions or vocabularies, some are sparse and some are not, or the weights of
                the batch are not possible.
        """
        said = [teacher(batch) for teacher in self.teachers]
        weights = self._normalised(self.weights if self.batch_weights is None else self.batch_weights(batch, said))
        hidden = {f"{number}.{name}": value for number, one in enumerate(said) for name, value in one.hidden.items()}
        attention = {
            f"{number}.{name}": value for number, one in enumerate(said) for name, value in one.attention.items()
        }
        mask = next((one.mask for one in said if one.mask is not None), None)
        return Signals(self._logits(said, weights), hidden, attention, mask)

    def _logits(self, said: Sequence[Signals], weights: Tensor) -> Tensor | SparseLogits | None:
        dense = [one.logits for one in said if isinstance(one.logits, Tensor)]
        sparse = [one.logits for one in said if isinstance(one.logits, SparseLogits)]
        if not dense and not sparse:
            return None
        if len(sparse) == len(said):
            if self.mean == "logits":
                raise LimbeckError(
                    "mean: logits that a sparse teacher left out cannot be averaged; use 'probabilities'"
                )
            self._check([tuple(one.positions) for one in sparse])
            return _union(sparse, weights)
        if len(dense) < len(said):
            kinds = ", ".join("none" if one.logits is None else type(one.logits).__name__ for one in said)
            raise LimbeckError(f"teachers: all of an ensemble must give dense logits, or all sparse ones; got {kinds}")
        self._check([tuple(one.shape) for one in dense])
        weights = _fitted(weights, dense[0].dim()).to(dense[0].device)
        stacked = torch.stack([one if one.dtype.itemsize >= 4 else one.float() for one in dense])
        if self.mean == "logits":
            # A weight of 0 also leaves out what is not finite.
            return torch.where(weights > 0, stacked * weights.to(stacked.dtype), 0.0).sum(0)
        return (stacked.log_softmax(-1) + weights.log().to(stacked.dtype)).logsumexp(0)

    def _normalised(self, weights: Tensor) -> Tensor:
        if weights.dim() == 0 or len(weights) != len(self.teachers):
            raise LimbeckError(f"weights: got {tuple(weights.shape)}, expected {len(self.teachers)}, one a teacher")
        total = weights.sum(0, keepdim=True)
        if not (weights.isfinite().all() and (weights >= 0).all() and (total > 0).all()):
            raise LimbeckError(f"weights: got {weights.tolist()}; they must be at least 0, and their sum positive")
        return weights / total

    @staticmethod
    def _check(shapes: Sequence[tuple[int, ...]]) -> None:
        if len(set(shapes)) > 1:
            raise LimbeckError(f"teachers: their logits differ in shape: {', '.join(map(str, shapes))}")


def _fitted(weights: Tensor, axes: int) -> Tensor:
    """Weights with the axes of stacked logits."""
    return weights.reshape(*weights.shape, *[1] * (1 + axes - weights.dim()))


def _union(sparse: Sequence[SparseLogits], weights: Tensor) -> SparseLogits:
    """The mixture over all classes that one of the teachers kept."""
    weights = _fitted(weights, sparse[0].ids.dim()).to(sparse[0].log_probs.device)
    log_probs = torch.cat(
        [one.log_probs + weight.log().to(one.log_probs.dtype) for one, weight in zip(sparse, weights, strict=True)], -1
    )
    ids = torch.cat([one.ids for one in sparse], -1).long()
    # Unused slots are put last, so that they do not come between slots of one class.
    nothing = torch.iinfo(torch.int64).max
    ids, order = ids.masked_fill(log_probs.isneginf(), nothing).sort(-1)
    log_probs = log_probs.gather(-1, order)
    new = torch.ones_like(ids, dtype=torch.bool)
    new[..., 1:] = ids[..., 1:] != ids[..., :-1]
    slot = new.long().cumsum(-1) - 1
    # In logarithms, so that classes too rare for a probability in floating point are kept.
    least = log_probs.new_full(log_probs.shape, -torch.inf)
    greatest = least.scatter_reduce(-1, slot, log_probs, "amax")
    shift = greatest.masked_fill(greatest.isneginf(), 0.0)
    summed = torch.zeros_like(log_probs).scatter_add(-1, slot, (log_probs - shift.gather(-1, slot)).exp())
    merged = torch.zeros_like(ids).scatter(-1, slot, ids)
    merged = merged.masked_fill((merged == nothing) | greatest.isneginf(), 0)
    used = int((slot.masked_fill(ids == nothing, -1).amax() + 1).clamp(min=1)) if ids.numel() else ids.shape[-1]
    mixed = (summed.log() + shift).masked_fill(greatest.isneginf(), -torch.inf)[..., :used]
    return SparseLogits(merged[..., :used], mixed, sampled=any(one.sampled for one in sparse))
