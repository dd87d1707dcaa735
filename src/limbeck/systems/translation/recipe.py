"""Everything that decides how a translator is trained, the same for all arms."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from limbeck.settings import Settings
from limbeck.training.plan import Plan

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]


class Recipe(Settings):
    """How a translator is made and trained; the same for all arms, which differ in what pictures teach them.

    Args:
        vocab_size: Most entries of the joint subword vocabulary.
        d_model: Width.
        layers: Encoder layers, and decoder layers.
        heads: Attention heads.
        ffn_dim: Width of the feed-forward layers.
        dropout: Dropout.
        kv: What the encoder's attention reads: the previous layer's text states, or the text embeddings everywhere.
        batch_tokens: Padded tokens a batch, of the longer side.
        smoothing: Label smoothing.
        rdrop: Weight of R-Drop; 0 is off.
        grain: Which maps are distilled: ``"model"``, ``"block"`` or ``"layer"``.
        distance: Between maps: ``"l2"``, ``"l1"``, ``"linf"``, ``"kl"`` or ``"cosine"``.
        kd1: Weight of KD-1 in arms that have it.
        kd2: Weight of KD-2 in arms that have it.
        inverted_pictures: At most so many pictures a batch go through the whole inverse network and the vision
            network; ``None`` takes all.
        visual_grid: Pool the top map to so many rows and columns of visual tokens; ``None`` keeps all.
        unpool: The inverse network's first layer: ``"factored"`` or, as in the paper, ``"full"``.
        beams: Hypotheses a sentence in the search.
        length_penalty: In the search a hypothesis is scored by its log-probability over its length to this power.
        plan: The training plan; the seed is the arm's.

    Raises:
        LimbeckError: A key is unknown or a value is not possible.
    """

    vocab_size: Positive = 6000
    d_model: Positive = 128
    layers: Positive = 4
    heads: Positive = 4
    ffn_dim: Positive = 256
    dropout: Share = 0.3
    kv: Literal["previous", "input"] = "previous"
    batch_tokens: Positive = 4096
    smoothing: Share = 0.1
    rdrop: Weight = 0.0
    grain: Literal["model", "block", "layer"] = "model"
    distance: Literal["l2", "l1", "linf", "kl", "cosine"] = "l2"
    kd1: Weight = 1.0
    kd2: Weight = 1.0
    inverted_pictures: Positive | None = None
    visual_grid: Positive | None = None
    unpool: Literal["factored", "full"] = "factored"
    beams: Positive = 5
    length_penalty: Weight = 1.0
    plan: Plan
