"""The configuration of IKD-MMT."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from transformers import PreTrainedConfig

from limbeck.models.vision.maps import MapSpec, maps_from_json

KEY_VALUES = ("previous", "input")
VISUALS = ("none", "given", "generated", "predicted")
UNPOOLS = ("factored", "full")


class IKDMMTConfig(PreTrainedConfig):
    """Sizes and choices of an :class:`~limbeck.models.ikd_mmt.modeling.IKDMMTForTranslation`.

    The defaults are the paper's translator: 4 + 4 layers, width 128, 4 heads, feed-forward width 256.

    Args:
        vocab_size: Entries of the joint vocabulary; source, target and output embeddings are one matrix.
        d_model: Width.
        encoder_layers: Encoder layers.
        decoder_layers: Decoder layers.
        num_heads: Attention heads.
        ffn_dim: Width of the feed-forward layers.
        dropout: Dropout on embeddings, on visual tokens and after each sub-layer.
        attention_dropout: Dropout on attention probabilities.
        activation_dropout: Dropout inside the feed-forward layers.
        kv: What the encoder's attention reads: ``"previous"``, the text states of the previous layer (Yao and Wan), or
            ``"input"``, the text embeddings in every layer (the released code of IKD-MMT).
        visual: Where the visual tokens come from: ``"none"`` (text only), ``"given"`` (feature maps of a real picture,
            also at inference), ``"generated"`` (the inverse network, from the sentence) or ``"predicted"`` (no visual
            tokens; a head predicts the pooled picture vector beside translating, as in Imagination).
        vision_maps: The vision teacher's maps from the image up, as made by
            :func:`~limbeck.models.vision.maps.maps_to_json`. A single map of 1x1 stands for a stored vector.
        visual_grid: Pool the top map to at most this many rows and columns of visual tokens; ``None`` keeps all.
        unpool: How the inverse network turns the sentence vector into the top map: ``"full"`` is the paper's linear
            layer and transposed convolution over all channel pairs (205 M parameters for ResNet-50), ``"factored"``
            has the same form with ``unpool_rank`` channels in between.
        unpool_rank: Channels between the two factors.
        inverse_bottleneck: Bottleneck ratio of the inverse blocks.
        decoder_start_token_id: First decoder input.

    Raises:
        ValueError: If a choice is unknown, the width does not divide by the heads, or the picture's maps are missing.

    Example:
        >>> IKDMMTConfig(vocab_size=100, visual="none").num_heads
        4
    """

    model_type = "ikd-mmt"
    attribute_map = {  # noqa: RUF012 (the base class declares it so)
        "hidden_size": "d_model",
        "num_attention_heads": "num_heads",
        "num_hidden_layers": "decoder_layers",
    }

    vocab_size: int = 8000
    d_model: int = 128
    encoder_layers: int = 4
    decoder_layers: int = 4
    num_heads: int = 4
    ffn_dim: int = 256
    dropout: float = 0.3
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    kv: str = "previous"
    visual: str = "none"
    vision_maps: list[dict[str, Any]] = field(default_factory=list)
    visual_grid: int | None = None
    unpool: str = "factored"
    unpool_rank: int = 128
    inverse_bottleneck: int = 4
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = True
    use_cache: bool = True
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    decoder_start_token_id: int = 1

    def __post_init__(self, **kwargs: Any) -> None:
        _one_of("kv", self.kv, KEY_VALUES)
        _one_of("visual", self.visual, VISUALS)
        _one_of("unpool", self.unpool, UNPOOLS)
        if self.d_model % self.num_heads or self.d_model % 2:
            raise ValueError(f"d_model must be even and divide by num_heads={self.num_heads}, got {self.d_model}")
        if self.visual != "none" and not self.vision_maps:
            raise ValueError(f"visual={self.visual!r} needs the vision teacher's maps in vision_maps")
        super().__post_init__(**kwargs)

    @property
    def maps(self) -> tuple[MapSpec, ...]:
        """The vision teacher's maps, from the image up."""
        return maps_from_json(self.vision_maps)

    @property
    def visual_tokens(self) -> int:
        """How many visual tokens the decoder sees."""
        if self.visual not in ("given", "generated"):
            return 0
        top, grid = self.maps[-1], self.visual_grid
        return min(top.height, grid or top.height) * min(top.width, grid or top.width)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
