"""What a store reads of a batch: which rows it has, and where something counts."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.signals import LinearLogits


def rows_of(batch: Batch) -> Int[Tensor, " b"]:
    """The rows of a batch, on the CPU.

    Raises:
        LimbeckError: The batch does not say.
    """
    if not isinstance(rows := batch.get("row"), Tensor):
        raise LimbeckError("the batch has no 'row': the number of each example in its data set")
    return rows.detach().cpu().long()


def counted(batch: Batch, logits: Tensor | LinearLogits) -> Bool[Tensor, "*positions"]:
    """Where there is something to keep: ``batch["mask"]``, or every row.

    Args:
        batch: Any batch.
        logits: The teacher's, ``(batch, tokens, vocab)`` or ``(batch, classes)``.

    Raises:
        LimbeckError: The mask is absent where it is needed, or is not of the logits' shape.
    """
    mask = batch.get("mask")
    device = logits.hidden.device if isinstance(logits, LinearLogits) else logits.device
    if isinstance(mask, Tensor):
        if mask.shape != logits.shape[:-1]:
            told = f"got {tuple(mask.shape)}, the teacher's logits have {tuple(logits.shape)}"
            raise LimbeckError(f"mask: {told}; its axes are those of the logits but the last")
        return mask.to(device, torch.bool)
    if len(logits.shape) != 2:
        raise LimbeckError(f"the batch has no 'mask', which logits of shape {tuple(logits.shape)} need")
    return torch.ones(logits.shape[0], dtype=torch.bool, device=device)


def attended(batch: Batch) -> Bool[Tensor, "b tokens"]:
    """Where the input has a token.

    Raises:
        LimbeckError: The batch does not say.
    """
    if not isinstance(mask := batch.get("attention_mask"), Tensor):
        raise LimbeckError("the batch has no 'attention_mask', by which hidden states are kept a token")
    return mask.bool()


def counted_lengths(mask: Bool[Tensor, "*positions"]) -> Int[Tensor, " b"]:
    """How many positions of each row count, on the CPU."""
    return mask.long().cpu() if mask.dim() == 1 else mask.flatten(1).sum(1).cpu()


def moved(batch: Batch, device: str | torch.device) -> Batch:
    """A batch with its tensors on a device."""
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
