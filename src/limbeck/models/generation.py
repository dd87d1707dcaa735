"""Text from language models: one way to ask `generate()` for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from limbeck.data.batching import pad_ids
from limbeck.models.adaptors import without_adaptors
from limbeck.models.quiet import quiet_transformers

_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


@torch.no_grad()
def continuations(
    model: Any, prompts: Sequence[Sequence[int]], *, pad: int, seed: int | None = None, **how: Any
) -> list[list[int]]:
    """Let a model go on with prompts, in eval mode whatever mode it is in.

    Args:
        model: A causal language model of `transformers`.
        prompts: Ids that it is given, at least one each.
        pad: The id that fills prompts up, on the left.
        seed: Of the drawing, which then changes nothing that is drawn elsewhere; None draws from the current state.
        how: Settings of ``generate()``. Sampling is from the whole distribution unless they say otherwise; of the
            model's own generation settings only its special tokens are heeded.

    Returns:
        What it wrote, without the prompt; what follows an end mark is of no meaning (:func:`ended`).
    """
    device = model.device
    ids, real = pad_ids(prompts, pad, side="left")
    if how.get("do_sample"):
        how = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **how}
    else:
        how = {**how, "do_sample": False, "temperature": None, "top_k": None, "top_p": None}
    was_training = model.training
    model.eval()
    try:
        with (
            quiet_transformers(),
            _plain(model),
            torch.random.fork_rng([device] if device.type == "cuda" else [], seed is not None),
        ):
            if seed is not None:
                torch.manual_seed(seed)
            written: Tensor = model.generate(
                input_ids=ids.to(device), attention_mask=real.to(device).long(), pad_token_id=pad, **how
            )
    finally:
        model.train(was_training)
    return written[:, ids.shape[1] :].tolist()


@contextmanager
def _plain(model: Any) -> Iterator[None]:
    """Lay a model's own generation settings aside, but for its special tokens.

    A penalty on what was said, or words that are never said, would change what is drawn without a word.
    """
    both = [model, without_adaptors(model)]
    own = [one.generation_config for one in both]
    try:
        for one, settings in zip(both, own, strict=True):
            one.generation_config = GenerationConfig(**{name: getattr(settings, name, None) for name in _TOKENS})
        yield
    finally:
        for one, settings in zip(both, own, strict=True):
            one.generation_config = settings


def ended(ids: Sequence[int], ends: Collection[int]) -> list[int]:
    """Up to the first end mark and with it.

    Example:
        >>> ended([7, 8, 2, 0, 0], {2}), ended([7, 8], {2})
        ([7, 8, 2], [7, 8])
    """
    stop = next((at for at, token in enumerate(ids) if token in ends), len(ids))
    return list(ids[: stop + 1])
