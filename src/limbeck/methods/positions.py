"""Which positions of a hidden state count."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.signals import Signals


def counted_positions(site: str, said: Signals, batch: Batch) -> Bool[Tensor, "batch positions"] | None:
    """The mask of a hidden state; None where all of it counts.

    Positions of an encoder are those of the input (``attention_mask``), whatever is learnt from them: a class of the
    whole text, or a text of another length. Elsewhere they are those that the signals' mask counts.

    Args:
        site: Path of the module that gave the hidden state.
        said: Has it.
        batch: What it was said of.

    Raises:
        LimbeckError: The state has other positions than the mask.

    Example:
        >>> import torch
        >>> said = Signals(hidden={"encoder.layer.0": torch.zeros(1, 3, 8), "pooler": torch.zeros(1, 8)})
        >>> batch = {"attention_mask": torch.tensor([[1, 1, 0]])}
        >>> counted_positions("encoder.layer.0", said, batch), counted_positions("pooler", said, batch)
        (tensor([[ True,  True, False]]), None)
    """
    hidden = said.hidden[site]
    if hidden.dim() != 3:
        return None
    mask = batch.get("attention_mask") if of_input(site, said) else said.mask
    if mask is None:
        return None
    if mask.shape != hidden.shape[:2]:
        raise LimbeckError(
            f"{site!r} gives {tuple(hidden.shape)}, which are not the {tuple(mask.shape)} positions that count"
        )
    return mask.bool()


def of_input(site: str, said: Signals) -> bool:
    """Whether a hidden state's positions are those of the input, and not those that are learnt.

    Args:
        site: Path of the module that gave it.
        said: Has it.
    """
    return said.mask is None or "encoder" in site.split(".")
