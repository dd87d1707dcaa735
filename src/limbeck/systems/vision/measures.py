"""What is measured of a network: what it gets right, and the hidden states that it shows."""

from __future__ import annotations

from torch import Tensor, nn

from limbeck.evaluation.metrics import Accuracy
from limbeck.systems.measured import Column
from limbeck.systems.taught import said_by
from limbeck.systems.vision.data import Pictures


def right(network: nn.Module, pictures: Pictures, device: str = "cpu") -> Column:
    """The accuracy, picture by picture."""
    said = said_by(network, pictures.pixels, device=device).argmax(-1)
    return Accuracy(), Accuracy().statistics(said.tolist(), pictures.labels.tolist())


def features_of(network: nn.Module, pictures: Pictures, device: str = "cpu", site: str = "features") -> Tensor:
    """What a module of the network gives for each picture, by default the features before the head."""
    return said_by(network, pictures.pixels, device=device, at_once=250, site=site)
