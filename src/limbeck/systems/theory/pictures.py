"""A small problem of classification: tiny grey pictures in poor light, and the settings that they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.world import World

CLASSES = len(World().setting_names)
PIXELS = 64


@dataclass(frozen=True)
class Pictures:
    """Pictures with labels.

    Args:
        x: Grey levels, about -2 to 2 and noise, ``(pictures, 64)``.
        y: The number of the setting.
    """

    x: Float[Tensor, "pictures pixels"]
    y: Int[Tensor, " pictures"]

    def __len__(self) -> int:
        return len(self.y)

    def part(self, start: int, count: int) -> Pictures:
        """Some of them."""
        return Pictures(self.x[start : start + count], self.y[start : start + count])


def dim_pictures(split: str, count: int, *, start: int = 0, noise: float = 0.7) -> Pictures:
    """Scenes as grey pictures of 8 x 8 pixels with noise, to be told apart by their setting.

    Without the noise a linear model would tell nearly all.

    Args:
        split: Of the world.
        count: How many, of world 0.
        start: Number of the first scene.
        noise: Standard deviation; the grey levels themselves have 4 between black and white.
    """
    scenes = World(seed=0, image_size=16).scenes(split, start=start, count=count)
    grey = scenes.images().reshape(count, 8, 2, 8, 2, 3).mean(axis=(2, 4, 5)).reshape(count, PIXELS)
    random = np.random.default_rng([start, scenes.split.stream])
    x = 4 * (grey / 255 - 0.5) + noise * random.standard_normal(grey.shape)
    return Pictures(torch.from_numpy(x.astype(np.float32)), torch.from_numpy(scenes.setting.astype(np.int64)))


def perceptron(hidden: int) -> nn.Sequential:
    """A network with one hidden layer, from pixels to settings."""
    return nn.Sequential(nn.Linear(PIXELS, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES))
