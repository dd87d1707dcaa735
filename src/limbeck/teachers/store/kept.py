"""From a teacher's logits to what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.signals import LinearLogits
from limbeck.teachers.store.settings import Keep, StoreSettings


@dataclass(frozen=True)
class Kept:
    """What is kept of some positions, flat: position after position, each with its classes.

    Args:
        counts: Classes kept at each position.
        ids: The classes; None where all are kept.
        log_probs: Their log-probabilities, in the store's type.
    """

    counts: Int[Tensor, " positions"]
    ids: Int[Tensor, " entries"] | None
    log_probs: Float[Tensor, " entries"]


def kept_where(
    logits: Float[Tensor, "*positions vocab"] | LinearLogits,
    mask: Bool[Tensor, "*positions"],
    rows: Int[Tensor, " rows"],
    lengths: Int[Tensor, " rows"],
    keep: Keep,
    settings: StoreSettings,
) -> Kept:
    """What is kept of the counted positions of a batch, a chunk at a time, so that fp32 exists for few of them.

    Args:
        logits: Scores before the softmax.
        mask: Where positions count.
        rows: Numbers of the rows that have counted positions, or could have.
        lengths: How many each has; together as many as ``mask`` counts.
        keep: What ``settings.keep`` comes to; never ``"auto"``.
        settings: The rest of what decides it.

    Raises:
        LimbeckError: A counted position's logits have no softmax.
    """
    random = uniforms(rows.tolist(), lengths.tolist(), settings) if keep == "sample" else None
    lines = logits.hidden if isinstance(logits, LinearLogits) else logits
    flat, at = lines.flatten(0, -2), mask.flatten().nonzero().squeeze(-1)
    pieces = []
    for start in range(0, max(len(at), 1), settings.chunk):
        part = slice(start, start + settings.chunk)
        chosen = flat[at[part]]
        chosen = (logits.of(chosen).dense() if isinstance(logits, LinearLogits) else chosen).float()
        mass = chosen.logsumexp(-1, keepdim=True)
        if (wrong := mass.isfinite().logical_not()).any():
            row = rows.repeat_interleave(lengths)[start + int(wrong.nonzero()[0, 0])]
            raise LimbeckError(f"the teacher's logits have no softmax at row {int(row)}: a number is not finite")
        pieces.append(kept_of(chosen, mass, keep, settings, None if random is None else random[part]))
    ids = [piece.ids for piece in pieces if piece.ids is not None]
    return Kept(
        torch.cat([piece.counts for piece in pieces]),
        torch.cat(ids) if ids else None,
        torch.cat([piece.log_probs for piece in pieces]),
    )


def kept_of(
    logits: Float[Tensor, "positions vocab"],
    mass: Float[Tensor, "positions 1"],
    keep: Keep,
    settings: StoreSettings,
    uniform: Float[Tensor, "positions draws"] | None = None,
) -> Kept:
    """Choose what is kept of a chunk of positions.

    Args:
        logits: Scores before the softmax, in fp32.
        mass: Their log-sum-exp.
        keep: What ``settings.keep`` comes to; never ``"auto"``.
        settings: The rest of what decides it.
        uniform: What classes are drawn by, from [0, 1); only with ``"sample"``.

    Returns:
        What is kept, on the CPU.
    """
    vocab = logits.shape[-1]
    ids: Tensor | None = None
    used: Tensor | None = None
    if keep == "full":
        values = logits - mass
    elif keep == "sample":
        assert uniform is not None
        ids, values, used = _drawn(logits - mass, uniform.to(logits.device), settings.proposal)
    else:
        values, ids = logits.topk(min(settings.k, vocab), dim=-1)
        values = values - mass
        if keep == "nucleus":
            shares = values.double().exp()
            used = shares.cumsum(-1) - shares < settings.p
    if used is None:
        used = torch.ones_like(values, dtype=torch.bool)
    counts = used.sum(-1)
    flat = None if ids is None else ids[used].to("cpu", id_type(vocab))
    return Kept(counts.cpu(), flat, _narrowed(values[used], settings.dtype).cpu())


def uniforms(rows: Sequence[int], lengths: Sequence[int], settings: StoreSettings) -> Float[Tensor, "positions draws"]:
    """Random numbers for the counted positions of rows, which depend on seed and row alone."""
    shares = zip(rows, lengths, strict=True)
    parts = [np.random.default_rng([settings.seed, row]).random((length, settings.draws)) for row, length in shares]
    return torch.from_numpy(np.concatenate(parts)) if parts else torch.empty(0, settings.draws, dtype=torch.float64)


def id_type(vocab: int) -> torch.dtype:
    """The smallest type that holds the classes."""
    return torch.uint8 if vocab <= 2**8 else torch.uint16 if vocab <= 2**16 else torch.int32


def _drawn(log_probs: Tensor, uniform: Tensor, proposal: float) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct classes, their log weights, and which slots are used."""
    # In double precision: a sum over a hundred thousand classes in single precision favours the first of them.
    cumulated = (log_probs * proposal).double().softmax(-1).cumsum(-1)
    total = cumulated[:, -1:]
    points = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    drawn = torch.searchsorted(cumulated, points, right=True).sort(-1).values
    first = torch.ones_like(drawn, dtype=torch.bool)
    first[:, 1:] = drawn[:, 1:] != drawn[:, :-1]
    times = torch.zeros_like(drawn).scatter_add_(1, first.cumsum(-1) - 1, torch.ones_like(drawn))
    slots = times > 0
    ids = torch.zeros_like(drawn)
    ids[slots] = drawn[first]
    weights = times.double().log()
    if proposal != 1.0:
        weights = weights + ((1 - proposal) * log_probs.gather(1, ids).double()).masked_fill(~slots, 0.0)
    return ids, weights.log_softmax(-1).float(), slots


def _narrowed(values: Tensor, dtype: str) -> Tensor:
    if dtype == "fp32":
        return values
    # What is too small for fp16 stays a little above nothing; what is nothing stays so.
    least = torch.finfo(torch.float16).min
    return torch.where(values.isfinite(), values.clamp(min=least), values).half()
