"""A vision network as a teacher: its feature maps, standardised, from the picture up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.models.vision.maps import GRAINS, IMAGE, Grain, MapSpec
from limbeck.signals import Signals, tap
from limbeck.teachers.live import LiveTeacher

FLOOR = 1e-3
"""Least standard deviation: a channel that is nearly constant is not blown up."""


class VisionTeacher(LiveTeacher):
    """A frozen vision network whose maps have mean 0 and variance 1 a channel.

    In that space an inverse network's outputs need no particular range, squared distances of all maps are on one scale
    (1 is what the constant mean would get), and KD-1 and KD-2 can be added without scales of their own.

    Args:
        network: The vision network; takes normalised pictures ``(batch, 3, height, width)``.
        sites: The maps' names and the dotted paths of the modules that give them, from the lowest to the top.
        grains: The grain of maps that are not compared at ``"block"``; the picture and the top are ``"model"``.
        size: Height and width of the pictures.
        mean: What is subtracted from pixels in 0..1, a channel.
        std: What they are divided by, a channel.

    Raises:
        LimbeckError: If a site is not a module of the network.
        ValueError: If there is no site, or a map is not ``(batch, channels, height, width)``.

    Example:
        >>> from limbeck.models.vision.cnn import SmallCNN
        >>> teacher = VisionTeacher(SmallCNN(4), {"stage1": "stages.0", "top": "stages.2"}, size=32)
        >>> [(spec.name, spec.channels, spec.height) for spec in teacher.maps]
        [('image', 3, 32), ('stage1', 32, 16), ('top', 64, 4)]
        >>> images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
        >>> teacher.standardise([images])
        >>> teacher.real_maps(images, ["top"])["top"].mean().abs().item() < 1e-4
        True
    """

    def __init__(
        self,
        network: nn.Module,
        sites: Mapping[str, str],
        *,
        size: int,
        grains: Mapping[str, Grain] | None = None,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        if not sites:
            raise ValueError("a vision teacher needs at least one site")
        super().__init__(network, ("images",), list(sites.values()))
        self.sites = dict(sites)
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.register_buffer("pixel_mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("pixel_std", torch.tensor(std).view(1, 3, 1, 1))
        self.maps = self._probe(size, grains or {})
        self.eval()
        for index, spec in enumerate(self.maps):
            self.register_buffer(f"mean_{index}", torch.zeros(1, spec.channels, 1, 1))
            self.register_buffer(f"std_{index}", torch.ones(1, spec.channels, 1, 1))

    @property
    def top(self) -> MapSpec:
        """The top map."""
        return self.maps[-1]

    def forward(self, batch: Batch) -> Signals:
        """The maps of ``batch["images"]`` (uint8 pictures)."""
        return Signals(hidden=self.real_maps(batch["images"], [spec.name for spec in self.maps]))

    @torch.no_grad()
    def real_maps(self, images: UInt8[Tensor, "b 3 h w"], names: Sequence[str]) -> dict[str, Tensor]:
        """The standardised maps of real pictures."""
        pixels = self._normalised(images)
        maps = self._raw_maps(pixels, names)
        return {name: self._standardised(name, value) for name, value in maps.items()}

    def maps_of(self, picture: Float[Tensor, "b 3 h w"], names: Sequence[str]) -> dict[str, Tensor]:
        """The standardised maps of a standardised (generated) picture; gradients flow into the picture."""
        mean, std = self._statistics(IMAGE)
        raw = self._raw_maps(picture * std + mean, names, grad=True)
        return {name: self._standardised(name, value) for name, value in raw.items()}

    @torch.no_grad()
    def standardise(self, batches: Sequence[UInt8[Tensor, "b 3 h w"]]) -> None:
        """Measure every map's mean and deviation a channel over training pictures.

        Args:
            batches: Batches of training pictures; they are gone through once.

        Raises:
            ValueError: If there is no picture.
        """
        names = [spec.name for spec in self.maps]
        sums = {
            name: torch.zeros(2, spec.channels, dtype=torch.float64)
            for name, spec in zip(names, self.maps, strict=True)
        }
        counts = dict.fromkeys(names, 0)
        for images in batches:
            for name, value in self._raw_maps(self._normalised(images), names).items():
                flat = value.double().transpose(0, 1).flatten(1).cpu()
                sums[name] += torch.stack([flat.sum(1), flat.square().sum(1)])
                counts[name] += flat.shape[1]
        for index, name in enumerate(names):
            if not counts[name]:
                raise ValueError("there is no picture to standardise over")
            mean, square = sums[name] / counts[name]
            std = (square - mean.square()).clamp(min=0).sqrt().clamp(min=FLOOR)
            getattr(self, f"mean_{index}").copy_(mean.view(1, -1, 1, 1))
            getattr(self, f"std_{index}").copy_(std.view(1, -1, 1, 1))

    def statistics(self) -> dict[str, Tensor]:
        """What :meth:`standardise` measured, by map: mean and deviation a channel, ``(2, channels)``."""
        return {spec.name: torch.stack(self._statistics(spec.name)).flatten(1) for spec in self.maps}

    def load_statistics(self, statistics: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`statistics` gave."""
        for spec in self.maps:
            for kept, given in zip(self._statistics(spec.name), statistics[spec.name], strict=True):
                kept.copy_(given.view_as(kept))

    def _probe(self, size: int, grains: Mapping[str, Grain]) -> tuple[MapSpec, ...]:
        with torch.no_grad():
            hidden = self.signals_of(torch.zeros(1, 3, size, size))
        specs = [MapSpec(IMAGE, 3, size, size, GRAINS[0])]
        for name, path in self.sites.items():
            value = hidden[path]
            if value.ndim != 4:
                raise ValueError(f"the map {name!r} ({path}) has shape {tuple(value.shape)}; expected 4 axes")
            specs.append(MapSpec(name, value.shape[1], value.shape[2], value.shape[3], grains.get(name, "block")))
        specs[-1] = replace(specs[-1], grain=GRAINS[0])
        return tuple(specs)

    def signals_of(self, pixels: Tensor, *, grad: bool = False) -> Mapping[str, Tensor]:
        """The raw maps of normalised pictures, by module path."""
        with (
            torch.set_grad_enabled(grad and torch.is_grad_enabled()),
            tap(self.model, self.hidden, self.pick) as hidden,
        ):
            self.model(pixels)
        return hidden

    def _raw_maps(self, pixels: Tensor, names: Sequence[str], *, grad: bool = False) -> dict[str, Tensor]:
        wanted = [name for name in names if name != IMAGE]
        hidden = self.signals_of(pixels, grad=grad) if wanted else {}
        return {name: pixels if name == IMAGE else hidden[self.sites[name]] for name in names}

    def _normalised(self, images: Tensor) -> Tensor:
        return (images.to(self.pixel_mean) / 255.0 - self.pixel_mean) / self.pixel_std

    def _standardised(self, name: str, value: Tensor) -> Tensor:
        mean, std = self._statistics(name)
        return (value - mean) / std

    def _statistics(self, name: str) -> tuple[Tensor, Tensor]:
        index = next(i for i, spec in enumerate(self.maps) if spec.name == name)
        return getattr(self, f"mean_{index}"), getattr(self, f"std_{index}")
