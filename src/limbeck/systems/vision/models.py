"""Three families of classifiers of small pictures, all cut into a stem, stages, features and a head.

Whatever the family, a tap finds ``stages.0``, ``stages.1``, ... and ``features``, and a network can be entered midway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from jaxtyping import Float
from torch import Tensor, nn

from limbeck.errors import LimbeckError

Family = Literal["resnet", "vit", "mixer"]


@dataclass(frozen=True)
class Shape:
    """How a classifier is built.

    Args:
        family: ``resnet`` gives maps ``(batch, width, height, width)``, halved from stage to stage; ``vit`` gives
            tokens ``(batch, 1 + patches, width)``, the first stands for the picture; ``mixer`` ``(batch, patches,
            width)``.
        widths: Of each stage; one for all where they are tokens.
        depth: Blocks in each stage.
        patch: Side of a patch in pixels; of tokens alone.

    Example:
        >>> SHAPES["resnet-student"].build(classes=20).feature_width
        32
    """

    family: Family
    widths: tuple[int, ...]
    depth: int = 1
    patch: int = 4

    @property
    def sites(self) -> tuple[str, ...]:
        """Paths of the stages; after them comes ``features``."""
        return tuple(f"stages.{stage}" for stage in range(len(self.widths)))

    def build(self, classes: int, size: int = 32) -> Classifier:
        """An untrained network.

        Args:
            classes: How many it tells apart.
            size: Side of the pictures in pixels.

        Raises:
            LimbeckError: The shape is not possible.
        """
        if self.family != "resnet" and (len(set(self.widths)) > 1 or size % self.patch or self.widths[0] % 4):
            raise LimbeckError(
                f"{self}: a {self.family} has one width, in fours, and patches that cover pictures of side {size}"
            )
        return {"resnet": _resnet, "vit": _vit, "mixer": _mixer}[self.family](self, classes, size)


class Classifier(nn.Module):
    """A stem, stages, pooled features and a linear head.

    Args:
        stem: From pixels to the first hidden state.
        stages: From one hidden state to the next.
        pool: From the last hidden state to features, ``(batch, width)``.
        feature_width: Of the features.
        classes: How many it tells apart.
    """

    def __init__(
        self, stem: nn.Module, stages: list[nn.Module], pool: nn.Module, feature_width: int, classes: int
    ) -> None:
        super().__init__()
        self.stem, self.stages, self.features = stem, nn.ModuleList(stages), pool
        self.head = nn.Linear(feature_width, classes)
        self.feature_width = feature_width

    def forward(self, pixels: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.after(self.stem(pixels))

    def before(self, pixels: Float[Tensor, "batch 3 size size"], stage: int) -> Tensor:
        """The hidden state that a stage is entered with; the stem's for stage 0."""
        hidden: Tensor = self.stem(pixels)
        for part in self.stages[:stage]:
            hidden = part(hidden)
        return hidden

    def after(self, hidden: Tensor, stage: int = 0) -> Float[Tensor, "batch classes"]:
        """Logits, from the hidden state that a stage is entered with."""
        for part in self.stages[stage:]:
            hidden = part(hidden)
        logits: Tensor = self.head(self.features(hidden))
        return logits


SHAPES = {
    "resnet-teacher": Shape("resnet", (40, 80, 128)),
    "resnet-student": Shape("resnet", (16, 24, 32)),
    "vit-teacher": Shape("vit", (96,) * 3, depth=2, patch=8),
    "vit-student": Shape("vit", (48,) * 3, patch=8),
    "mixer-teacher": Shape("mixer", (96,) * 3, depth=2, patch=8),
    "mixer-student": Shape("mixer", (48,) * 3, patch=8),
}


def _resnet(shape: Shape, classes: int, _size: int) -> Classifier:
    from transformers import ResNetConfig, ResNetModel

    width = shape.widths[0]
    config = ResNetConfig(
        embedding_size=width, hidden_sizes=list(shape.widths), depths=[shape.depth] * len(shape.widths),
        layer_type="basic",
    )  # fmt: skip
    whole: Any = ResNetModel(config)
    # Its own stem is for pictures of 224 pixels. Strides of 4 leave maps of 8 x 8, which one core is done with in time.
    stem = nn.Sequential(
        nn.Conv2d(3, width, shape.patch + 1, stride=shape.patch, padding=shape.patch // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
    return Classifier(stem, list(whole.encoder.stages), _MeanOfPlaces(), shape.widths[-1], classes)


def _vit(shape: Shape, classes: int, size: int) -> Classifier:
    from transformers import ViTConfig, ViTModel

    width, count = shape.widths[0], len(shape.widths)
    config = ViTConfig(
        hidden_size=width, num_hidden_layers=shape.depth * count, num_attention_heads=4, intermediate_size=2 * width,
        image_size=size, patch_size=shape.patch,
    )  # fmt: skip
    whole: Any = ViTModel(config, add_pooling_layer=False)
    layers = [whole.layers[stage * shape.depth : (stage + 1) * shape.depth] for stage in range(count)]
    stages: list[nn.Module] = [nn.Sequential(*cast("nn.ModuleList", part)) for part in layers]
    return Classifier(whole.embeddings, stages, nn.Sequential(whole.layernorm, _FirstToken()), width, classes)


def _mixer(shape: Shape, classes: int, size: int) -> Classifier:
    width, patches = shape.widths[0], (size // shape.patch) ** 2
    stem = nn.Sequential(nn.Conv2d(3, width, shape.patch, stride=shape.patch), _Tokens())
    stages: list[nn.Module] = [
        nn.Sequential(*(MixerBlock(patches, width) for _ in range(shape.depth))) for _ in shape.widths
    ]
    return Classifier(stem, stages, nn.Sequential(nn.LayerNorm(width), _MeanOfTokens()), width, classes)


class MixerBlock(nn.Module):
    """A perceptron over the patches, then one over the features, each with a shortcut.

    Args:
        patches: How many.
        width: Of their features.

    Reference:
        Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision", NeurIPS 2021, arXiv 2105.01601.
    """

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.over_patches = nn.Sequential(nn.Linear(patches, patches), nn.GELU(), nn.Linear(patches, patches))
        self.over_features = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, tokens: Float[Tensor, "batch patches width"]) -> Float[Tensor, "batch patches width"]:
        """The tokens, mixed."""
        tokens = tokens + self.over_patches(self.norms[0](tokens).transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = tokens + self.over_features(self.norms[1](tokens))
        return mixed


class _MeanOfPlaces(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((-2, -1))


class _MeanOfTokens(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)


class _FirstToken(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]


class _Tokens(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.flatten(2).transpose(1, 2)
