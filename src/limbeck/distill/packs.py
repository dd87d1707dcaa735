"""Rows packed into one sequence must not see one another, and not every architecture keeps them apart."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from limbeck.errors import LimbeckError


@torch.no_grad()
def check_packs(model: PreTrainedModel, name: str) -> None:
    """Refuse a language model in which a packed row changes what is said of the next.

    `transformers` tells packs by positions that begin anew. Models that take no notice of positions (recurrent ones,
    ALiBi, some with positions of their own) read on.

    Args:
        model: Called on two rows in one sequence, of which the first is changed.
        name: For the message.

    Raises:
        LimbeckError: What it says of the second row depends on the first.
    """
    was_training = model.training
    vocabulary = model.config.get_text_config().vocab_size
    positions = torch.tensor([[0, 1, 2, 0, 1, 2]], device=model.device)
    ids = torch.arange(6, device=model.device)[None] % vocabulary
    other = ids.clone()
    other[0, :3] = (ids[0, :3] + 3) % vocabulary
    first, second = (
        model.eval()(input_ids=one, position_ids=positions, use_cache=False).logits[0, 3:] for one in (ids, other)
    )
    model.train(was_training)
    if (first - second).abs().max() > 1e-5 * first.abs().max():
        raise LimbeckError(
            f"{name}: a {type(model).__name__} reads on from one packed row into the next; set data.pack to false"
        )
