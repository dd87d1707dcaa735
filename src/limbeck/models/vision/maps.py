"""The feature maps of a vision network, from the image up: what an inverse network has to give back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Grain = Literal["model", "block", "layer"]

IMAGE = "image"


@dataclass(frozen=True)
class MapSpec:
    """One feature map of a vision network.

    Args:
        name: The map's name, ``"image"`` for the picture itself.
        channels: Number of channels.
        height: Rows.
        width: Columns.
        grain: The coarsest grain at which it is compared: ``"model"`` (the image and the top map), ``"block"`` (the
            end of a stage) or ``"layer"`` (within a stage).

    Raises:
        ValueError: If a size is not positive or the grain is unknown.
    """

    name: str
    channels: int
    height: int
    width: int
    grain: Grain = "block"

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width) < 1:
            raise ValueError(
                f"map {self.name!r}: sizes must be positive, got {self.channels}x{self.height}x{self.width}"
            )
        if self.grain not in GRAINS:
            raise ValueError(f"map {self.name!r}: grain must be one of {', '.join(GRAINS)}, got {self.grain!r}")


GRAINS: tuple[Grain, ...] = ("model", "block", "layer")


def maps_to_json(maps: Sequence[MapSpec]) -> list[dict[str, Any]]:
    """The maps as plain dictionaries, for a model's configuration file."""
    return [asdict(spec) for spec in maps]


def maps_from_json(rows: Sequence[dict[str, Any]]) -> tuple[MapSpec, ...]:
    """The inverse of :func:`maps_to_json`."""
    return tuple(MapSpec(**row) for row in rows)


def names_at(maps: Sequence[MapSpec], grain: Grain) -> tuple[str, ...]:
    """The names of the maps that are compared at a grain: all that are at least as coarse.

    Example:
        >>> maps = [MapSpec("image", 3, 8, 8, "model"), MapSpec("stage1", 8, 4, 4), MapSpec("top", 16, 2, 2, "model")]
        >>> names_at(maps, "model"), names_at(maps, "block")
        (('image', 'top'), ('image', 'stage1', 'top'))
    """
    if grain not in GRAINS:
        raise ValueError(f"grain must be one of {', '.join(GRAINS)}, got {grain!r}")
    allowed = GRAINS[: GRAINS.index(grain) + 1]
    return tuple(spec.name for spec in maps if spec.grain in allowed)
