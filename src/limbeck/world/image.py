"""The picture of a scene: how what stands in it is drawn, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from limbeck.world.atlas import Atlas, atlas, backdrops
from limbeck.world.layout import Layout, patch_sides
from limbeck.world.streams import Ints, hashed

_NOISE = 10.0  # grey levels either way
_PIXELS_AT_ONCE = 2**19  # keeps the floats of a batch within the cache, and huge batches within memory


def draw(layout: Layout, setting: Ints) -> npt.NDArray[np.uint8]:
    """Draw the pictures, back to front, on the backdrop of their setting. Shape ``(count, size, size, 3)``."""
    size, count = layout.image_size, len(layout.kind)
    pictures = np.empty((count, size, size, 3), np.uint8)
    some = max(1, _PIXELS_AT_ONCE // size**2)
    for start in range(0, count, some):
        part = slice(start, start + some)
        pictures[part] = _draw(layout.part(part), setting[part])
    return pictures


def _draw(layout: Layout, setting: Ints) -> npt.NDArray[np.uint8]:
    size, count = layout.image_size, len(layout.kind)
    backdrop = backdrops(size)
    both = np.stack([backdrop, backdrop[:, :, ::-1]], axis=1)
    canvas = both[setting, layout.mirrored.astype(np.int64)]
    for rows, ys, xs, column, sprites in _patches(layout):
        kind, tint = layout.kind[rows, column], layout.tint[rows, column]
        stripes = 1.0 - 0.25 * (np.arange(sprites.cover.shape[1]) // max(1, size // 32) % 2)
        shade = np.where(layout.striped[rows, column][:, None], stripes, 1.0).astype(np.float32)
        under = canvas[rows[:, None, None], ys, xs] * (1.0 - sprites.cover[kind])[..., None]
        colour = (sprites.tinted[kind] * shade[:, :, None])[..., None] * tint[:, None, None]
        canvas[rows[:, None, None], ys, xs] = under + sprites.paint[kind] + colour
    noise = hashed(layout.scene[:, None], np.arange(-(-size * size * 3 // 8)))
    grains = noise.view(np.uint8).reshape(count, -1)[:, : size * size * 3].reshape(canvas.shape)
    canvas = canvas * layout.light[:, None, None, None].astype(np.float32)
    canvas += (grains.astype(np.float32) - 127.5) * np.float32(_NOISE / 127.5)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def draw_masks(layout: Layout) -> npt.NDArray[np.uint8]:
    """Which object shows at each pixel: its column plus 1, or 0. Shape ``(count, size, size)``."""
    masks = np.zeros((len(layout.kind), layout.image_size, layout.image_size), np.uint8)
    for rows, ys, xs, column, sprites in _patches(layout):
        seen = sprites.cover[layout.kind[rows, column]] > 0.5
        before = masks[rows[:, None, None], ys, xs]
        masks[rows[:, None, None], ys, xs] = np.where(seen, (column + 1)[:, None, None], before)
    return masks


def _patches(layout: Layout) -> Iterator[tuple[Ints, Ints, Ints, Ints, Atlas]]:
    """Where to draw, from the back to the front: one batch of patches of one size at a time."""
    every = np.arange(len(layout.kind))
    for column in layout.order.T:
        there = layout.kind[every, column] >= 0
        for scale, side in enumerate(patch_sides(layout.image_size)):
            rows = np.nonzero(there & (layout.scale[every, column] == scale))[0]
            if not len(rows):
                continue
            chosen = column[rows]
            ys = layout.y[rows, chosen][:, None, None] + np.arange(side)[None, :, None]
            xs = layout.x[rows, chosen][:, None, None] + np.arange(side)[None, None, :]
            yield rows, ys, xs, chosen, atlas(side)
