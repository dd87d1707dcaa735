"""Sprites as pixels: each kind and each setting, rasterised at the size that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from limbeck.world.lexicon import lexicon
from limbeck.world.scene import SETTINGS
from limbeck.world.sprites import BACKDROPS, COLOURS, SPRITES
from limbeck.world.streams import Bools, Floats, Ints

Pixels = npt.NDArray[np.float32]

_FINE = 3  # each pixel of a sprite is the mean of 3 x 3


@dataclass(frozen=True)
class Sprite:
    """A kind drawn at one size.

    Args:
        paint: Colour where it is fixed, 0 where the scene gives it; times the cover. Shape ``(side, side, 3)``.
        tinted: Share of the pixel that takes the scene's colour. Shape ``(side, side)``.
        cover: Share of the pixel that is covered. Shape ``(side, side)``.
    """

    paint: Pixels
    tinted: Pixels
    cover: Pixels


def _inside(form: str, x: Floats, y: Floats) -> Bools:
    """Whether points lie in a form that fills the unit square."""
    radius = (2 * x - 1) ** 2 + (2 * y - 1) ** 2
    box = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
    inside: Bools
    match form:
        case "r":
            inside = box
        case "e":
            inside = radius <= 1
        case "o":
            inside = (radius <= 1) & (radius >= 0.42)
        case "(":
            inside = (radius <= 1) & (radius >= 0.6) & (x < 0.5)
        case "n":
            inside = (radius <= 1) & (y < 0.5)
        case "u":
            inside = (radius <= 1) & (y >= 0.5)
        case "t":
            inside = box & (np.abs(2 * x - 1) <= y)
        case "v":
            inside = box & (np.abs(2 * x - 1) <= 1 - y)
        case "i":
            inside = box & (np.abs(2 * y - 1) <= x)
        case "q":
            inside = box & (np.abs(2 * y - 1) <= 1 - x)
        case "d":
            inside = np.abs(2 * x - 1) + np.abs(2 * y - 1) <= 1
        case "/":
            inside = box & (np.abs(x + y - 1) <= 0.22)
        case "\\":
            inside = box & (np.abs(x - y) <= 0.22)
        case _:
            raise ValueError(f"no form {form!r} to draw")
    return inside


def rasterise(shapes: str, side: int) -> Sprite:
    """Draw shapes (see `limbeck.world.sprites`) on a square patch, smoothly.

    Example:
        >>> sprite = rasterise("r * 0 0 50 100", side=4)
        >>> sprite.cover[0].tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    fine = side * _FINE
    y, x = (np.mgrid[:fine, :fine] + 0.5) * (100.0 / fine)
    paint = np.zeros((fine, fine, 3), np.float32)
    tinted = np.zeros((fine, fine), np.float32)
    cover = np.zeros((fine, fine), np.float32)
    for shape in shapes.split(","):
        form, colour, *corners = shape.split()
        x0, y0, x1, y1 = map(float, corners)
        inside = _inside(form, (x - x0) / (x1 - x0), (y - y0) / (y1 - y0))
        cover[inside] = 1.0
        tinted[inside] = colour == "*"
        paint[inside] = 0.0 if colour == "*" else COLOURS[colour]

    def shrink(pixels: Pixels) -> Pixels:
        blocks = pixels.reshape(side, _FINE, side, _FINE, -1).mean(axis=(1, 3))
        return blocks.reshape(side, side, *pixels.shape[2:])

    return Sprite(shrink(paint), shrink(tinted), shrink(cover))


@lru_cache(maxsize=1)
def designs() -> dict[str, tuple[str, str]]:
    """Natural colour and shapes of each kind."""
    designs: dict[str, tuple[str, str]] = {}
    for line in SPRITES.replace("\n    ", " ").strip().splitlines():
        kind, natural, shapes = (column.strip() for column in line.split("|"))
        if shapes.startswith("@"):
            base, shapes = shapes[1:].split(",", 1)
            shapes = f"{designs[base][1]}, {shapes}"
        designs[kind] = (natural, shapes)
    return designs


@dataclass(frozen=True)
class Atlas:
    """All sprites at one side, kind by kind, and their boxes.

    Args:
        paint: Shape ``(kinds, side, side, 3)``.
        tinted: Shape ``(kinds, side, side)``.
        cover: Shape ``(kinds, side, side)``.
        box: x0, y0, x1, y1 in the patch. Shape ``(kinds, 4)``.
    """

    paint: Pixels
    tinted: Pixels
    cover: Pixels
    box: Ints


@lru_cache(maxsize=16)
def atlas(side: int) -> Atlas:
    """The sprites of all kinds at a side in pixels."""
    sprites = [rasterise(designs()[noun.kind][1], side) for noun in lexicon().nouns]
    cover = np.stack([sprite.cover for sprite in sprites])
    box = []
    for patch in cover >= 0.5 * cover.max(axis=(1, 2), keepdims=True):  # nothing fills a pixel of the tiniest
        rows, columns = np.nonzero(patch.any(axis=1))[0], np.nonzero(patch.any(axis=0))[0]
        box.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return Atlas(
        np.stack([sprite.paint for sprite in sprites]), np.stack([sprite.tinted for sprite in sprites]), cover,
        np.array(box),
    )  # fmt: skip


@lru_cache(maxsize=4)
def backdrops(side: int) -> Pixels:
    """The empty settings, in the order of `SETTINGS`. Shape ``(settings, side, side, 3)``."""
    return np.stack([rasterise(BACKDROPS[name], side).paint for name in SETTINGS])
