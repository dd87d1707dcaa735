"""Translators small enough for tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.vision.maps import MapSpec, maps_to_json

MAPS = [MapSpec("image", 3, 8, 8, "model"), MapSpec("stage1", 4, 4, 4), MapSpec("top", 6, 2, 3, "model")]
VOCABULARY = 13
EOS = 2


def config(visual: str = "none", **changes: Any) -> IKDMMTConfig:
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "d_model": 8,
        "num_heads": 2,
        "ffn_dim": 12,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "unpool_rank": 4,
        "vision_maps": maps_to_json(MAPS) if visual != "none" else [],
    }
    return IKDMMTConfig(visual=visual, **(sizes | changes))


def translator(visual: str = "none", *, seed: int = 0, **changes: Any) -> IKDMMTForTranslation:
    """An untrained model in eval mode and float64, its biases and norms drawn too so that none is 0 or 1."""
    torch.manual_seed(seed)
    model = IKDMMTForTranslation(config(visual, **changes)).double().eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 1:
                value.add_(torch.randn_like(value) * 0.3)
            elif "embedding" in name:
                value[1:].normal_()
    return model


def features(batch: int, seed: int = 0) -> Tensor:
    top = MAPS[-1]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, top.channels, top.height, top.width, generator=generator, dtype=torch.float64)


SOURCE = torch.tensor([[5, 6, 7, 8, EOS], [9, 10, EOS, 0, 0], [4, EOS, 0, 0, 0]])
TARGET = torch.tensor([[1, 7, 6, 5, 11, 4], [1, 12, 9, 8, 0, 0], [1, 3, 0, 0, 0, 0]])
