"""What one model says about one batch, and the tap that captures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Signals:
    """What one model said about one batch.

    A teacher and a student each give one; a method compares the two. Everything is optional: a model gives what the
    method's :class:`~limbeck.methods.base.Needs` ask for and nothing else.

    Args:
        logits: Scores before the softmax, ``(batch, ..., classes)``.
        hidden: Named hidden states: by dotted module path (``"encoder.layer.3"``) or by an adaptor's own names
            (``"image"``, ``"stage4"``). Any shape whose first axis is the batch.
        attention: Named attention maps, ``(batch, heads, queries, keys)``.
        mask: True where a position counts; its axes are those of the signal that the method compares.
    """

    logits: Tensor | None = None
    hidden: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    mask: Tensor | None = None
