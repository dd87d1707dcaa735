"""How long a sequence a model can read, and which ids it knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from limbeck.distill.examples import Example
from limbeck.errors import LimbeckError


def check_lengths(model: Any, name: str, examples: Sequence[Example], *, own: bool = False) -> None:
    """Refuse sequences that are longer than a model can read, or have tokens that it does not know.

    Args:
        model: Student or teacher, of `transformers`.
        name: For the message.
        examples: The sequences; pictures have none.
        own: Whether the model is a teacher that reads by a tokenizer of its own.

    Raises:
        LimbeckError: There is one.
    """
    if own:
        examples = [example.teacher for example in examples if example.teacher is not None]
    if not examples:
        return
    longest = max(len(example.input_ids) for example in examples)
    most = most_positions(model)
    if most is not None and longest > most:
        raise LimbeckError(f"data.max_length: a sequence has {longest} tokens, and {name} reads {most} at most")
    highest = max(max(example.input_ids, default=0) for example in examples)
    known = model.get_input_embeddings().num_embeddings
    if highest >= known:
        raise LimbeckError(f"tokenizer: it gives the id {highest}, and {name} knows {known} tokens")
    if not model.config.is_encoder_decoder:
        return
    longest = max(len(example.targets) for example in examples)
    most = most_positions(model, decoder=True)
    if most is not None and longest > most:
        raise LimbeckError(f"data.max_length: a target has {longest} tokens, and {name} writes {most} at most")


def most_positions(model: Any, *, decoder: bool = False) -> int | None:
    """How many tokens a model can tell the places of; None where there is no limit.

    Args:
        model: Of `transformers`.
        decoder: Whether what it writes is meant, of a model with encoder and decoder.
    """
    side = "decoder" if decoder else "encoder"
    config = model.config
    if config.is_encoder_decoder:
        # Of parts with configurations of their own, or with a limit of its own for each side.
        config = getattr(config, side, config)
        own = getattr(config, f"max_{side}_position_embeddings", None)
        model = getattr(model, side, model)
    else:
        config, own = config.get_text_config(), None
    most: int | None = own or getattr(config, "max_position_embeddings", None)
    padded = padded_positions(model)
    if padded is None or padded.padding_idx is None:
        return most
    # The first place is the one after the padding's.
    return padded.num_embeddings - padded.padding_idx - 1


def padded_positions(model: nn.Module) -> nn.Embedding | None:
    """The table of positions where these are counted from the padding's id, as in RoBERTa."""
    for name, part in model.named_modules():
        if isinstance(part, nn.Embedding) and part.padding_idx is not None and "position" in name:
            return part
    return None
