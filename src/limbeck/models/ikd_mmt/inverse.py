"""The inverse network: a vision network run backwards, from a sentence to its picture."""

from __future__ import annotations

import math

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.vision.maps import MapSpec

MIN_BOTTLENECK = 16


class InverseNetwork(nn.Module):
    """Mirrors a vision teacher map by map: sentence vector, top map, the stages below it, and last the picture.

    Its maps live in the teacher's standardised space (mean 0, variance 1 a channel), so they are linear outputs. It
    normalises by groups within a sample and not over the batch: what it gives for one sentence must not depend on
    which others happen to be in the batch, on how a batch is split, or on which of them have a picture.

    Reference:
        Peng et al., "Distill the Image to Nowhere", EMNLP 2022, arXiv 2210.04468, section 3.

    Example:
        >>> import torch
        >>> from limbeck.models.vision.maps import maps_to_json
        >>> maps = [MapSpec("image", 3, 16, 16, "model"), MapSpec("stage1", 8, 8, 8), MapSpec("top", 16, 4, 4, "model")]
        >>> config = IKDMMTConfig(vocab_size=10, d_model=8, visual="generated", vision_maps=maps_to_json(maps))
        >>> inverse = InverseNetwork(config)
        >>> top = inverse.top(torch.randn(2, 8))
        >>> {name: tuple(value.shape) for name, value in inverse.down(top).items()}
        {'top': (2, 16, 4, 4), 'stage1': (2, 8, 8, 8), 'image': (2, 3, 16, 16)}
    """

    def __init__(self, config: IKDMMTConfig) -> None:
        super().__init__()
        maps = config.maps
        top = maps[-1]
        self.top_name = top.name
        self.names = tuple(spec.name for spec in reversed(maps[:-1]))
        self.norm = nn.LayerNorm(config.d_model)
        unpool = FullUnpool if config.unpool == "full" else FactoredUnpool
        self.unpool = unpool(config.d_model, top, config.unpool_rank)
        self.blocks = nn.ModuleList(
            InverseBlock(above, below, config.inverse_bottleneck)
            for above, below in zip(reversed(maps), reversed(maps[:-1]), strict=False)
        )

    def top(self, sentence: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        """The top map of each sentence: all that translation needs."""
        return self.unpool(self.norm(sentence))

    def down(self, top: Float[Tensor, "b c h w"]) -> dict[str, Tensor]:
        """All maps, from the top down to the picture: what distillation compares."""
        maps = {self.top_name: top}
        current = top
        for name, block in zip(self.names, self.blocks, strict=True):
            current = block(current)
            maps[name] = current
        return maps


class FullUnpool(nn.Module):
    """The paper's "average unpooling": a linear layer, then a transposed convolution as large as the map."""

    def __init__(self, width: int, top: MapSpec, rank: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, top.channels)
        self.unpool = nn.ConvTranspose2d(top.channels, top.channels, (top.height, top.width))

    def forward(self, sentence: Tensor) -> Tensor:
        """From ``(batch, width)`` to ``(batch, channels, height, width)``."""
        return self.unpool(F.relu(self.linear(sentence))[:, :, None, None])


class FactoredUnpool(nn.Module):
    """The same with few channels in between: every place's features first, then the channels."""

    def __init__(self, width: int, top: MapSpec, rank: int) -> None:
        super().__init__()
        self.shape = (rank, top.height, top.width)
        self.linear = nn.Linear(width, rank * top.height * top.width)
        self.norm = _group_norm(rank)
        self.expand = nn.Conv2d(rank, top.channels, 1)

    def forward(self, sentence: Tensor) -> Tensor:
        """From ``(batch, width)`` to ``(batch, channels, height, width)``."""
        places = self.linear(sentence).view(-1, *self.shape)
        return self.expand(F.relu(self.norm(places)))


class InverseBlock(nn.Module):
    """An inverted bottleneck: from a map to the one below it, growing it where the vision network shrank it."""

    def __init__(self, above: MapSpec, below: MapSpec, bottleneck: int) -> None:
        super().__init__()
        middle = max(above.channels // bottleneck, MIN_BOTTLENECK)
        self.size = (below.height, below.width)
        factor = max(math.ceil(below.height / above.height), math.ceil(below.width / above.width))
        self.enter = nn.Sequential(_group_norm(above.channels), nn.ReLU(), nn.Conv2d(above.channels, middle, 1))
        self.grow = nn.Sequential(_group_norm(middle), nn.ReLU(), _upsample(middle, middle, factor))
        self.leave = nn.Sequential(_group_norm(middle), nn.ReLU(), nn.Conv2d(middle, below.channels, 1))
        if factor == 1 and above.channels == below.channels:
            self.shortcut: nn.Module = nn.Identity()
        else:
            self.shortcut = nn.ConvTranspose2d(above.channels, below.channels, factor, stride=factor)

    def forward(self, states: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """The map below; where sizes do not divide (7 from 4), the grown map is cut to size."""
        rows, columns = self.size
        grown = self.leave(self.grow(self.enter(states))) + self.shortcut(states)
        return grown[..., :rows, :columns]


def _upsample(channels_in: int, channels_out: int, factor: int) -> nn.Module:
    """A convolution that grows by ``factor``; its kernel is a multiple of the stride, which leaves no checkerboard."""
    if factor == 1:
        return nn.Conv2d(channels_in, channels_out, 3, padding=1)
    if factor % 2:
        return nn.ConvTranspose2d(channels_in, channels_out, factor, stride=factor)
    return nn.ConvTranspose2d(channels_in, channels_out, 2 * factor, stride=factor, padding=factor // 2)


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, 8), channels)
