"""Views: small pictures of one thing each, to be told apart by its kind, its material or its setting.

A view shows a thing somewhere in a setting, with other things behind and partly in front of it, in any colour, size and
light, and with noise. All three labels are true of the same picture and independent of each other, so that what was
learnt by one can be of use for another. Of the 12 kinds several look alike (dog, cat, goat, ...), and materials are
patterns, since the colour is random.

The defaults leave room between small and large networks by kind and by material (`limbeck.systems.vision.training` has
figures). The setting is told from a few hundred pictures without mistakes, unless the noise is much stronger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from limbeck.world.atlas import Pixels, atlas, backdrops
from limbeck.world.lexicon import lexicon
from limbeck.world.scene import SETTINGS
from limbeck.world.sprites import COLOURS
from limbeck.world.streams import Draws, Floats, Ints, hashed

Images = npt.NDArray[np.uint8]
LabelSet = Literal["kind", "material", "setting"]
ViewSplit = Literal["train", "val", "test", "pool"]
Shift = Literal["dark", "noisy", "inverted", "grey", "rotated", "moved"]
SHIFTS: tuple[Shift, ...] = get_args(Shift)

KINDS = ("dog", "cat", "horse", "goat", "rabbit", "bag", "suitcase", "box", "teapot", "kettle", "bottle", "truck")
MATERIALS = ("wooden", "metal", "stone", "woven")
CLASSES: dict[LabelSet, tuple[str, ...]] = {"kind": KINDS, "material": MATERIALS, "setting": SETTINGS}
"""Names of the classes of each label set."""

_STREAM = 5000
_SIDES = (0.5, 0.6, 0.7)  # of the thing; what lies about has the first of them, less a third
_TINTS = "rbgykwepo"
_PIXELS_AT_ONCE = 2**17  # as many as stay within the cache


@dataclass(frozen=True)
class Views:
    """Labelled pictures.

    Args:
        images: RGB, ``(count, size, size, 3)``.
        labels: By label set, numbers of :data:`CLASSES`, each ``(count,)``.
    """

    images: Images
    labels: dict[LabelSet, Ints]

    def __len__(self) -> int:
        return len(self.images)


def views(
    split: ViewSplit,
    count: int,
    *,
    start: int = 0,
    seed: int = 0,
    size: int = 32,
    clutter: int = 1,
    noise: float = 15.0,
    wander: float = 0.15,
) -> Views:
    """Views ``start`` to ``start + count`` of a split; each depends on its own number alone.

    Args:
        split: ``train``, ``val``, ``test``, or ``pool``: more of the same, for those who need no labels.
        count: How many, at least one.
        start: Number of the first.
        seed: Another seed gives other pictures of the same classes.
        size: Side of the pictures in pixels.
        clutter: Other things in the picture; the last of several hides a part of the thing.
        noise: Grey levels either way, evenly.
        wander: How far from the middle the thing may stand: 0 is always in the middle, 1 anywhere.

    Raises:
        ValueError: There is no such split, or nothing is asked for.

    Example:
        >>> some = views("train", 2)
        >>> some.images.shape, sorted(some.labels)
        ((2, 32, 32, 3), ['kind', 'material', 'setting'])
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if split not in get_args(ViewSplit):
        raise ValueError(f"no split {split!r}: choose from {', '.join(get_args(ViewSplit))}")
    stream = _STREAM + get_args(ViewSplit).index(split)
    some = max(1, _PIXELS_AT_ONCE // size**2)
    starts = range(start, start + count, some)
    ranges = [np.arange(at, min(at + some, start + count)) for at in starts]
    parts = [_draw(seed, stream, one, size=size, clutter=clutter, noise=noise, wander=wander) for one in ranges]
    images = np.concatenate([part.images for part in parts])
    return Views(images, {name: np.concatenate([part.labels[name] for part in parts]) for name in CLASSES})


def _draw(seed: int, stream: int, index: Ints, *, size: int, clutter: int, noise: float, wander: float) -> Views:
    count = len(index)
    draws = Draws(seed, stream, index)
    kind, material, setting = (draws.pick(range(len(CLASSES[of]))) for of in ("kind", "material", "setting"))
    scene = hashed(seed, stream + 1000, index)
    backdrop = backdrops(size)
    canvas = np.stack([backdrop, backdrop[:, :, ::-1]], axis=1)[setting, draws.pick(range(2))]
    numbers = {noun.kind: number for number, noun in enumerate(lexicon().nouns)}
    small = np.full(count, round(size * _SIDES[0] * 2 / 3))
    place = [draws.uniform() for _ in range(2)]
    side = np.array([round(size * share) for share in _SIDES])[draws.pick(range(3))]
    x, y = (0.5 + wander * (one - 0.5) for one in place)

    def put(kinds: Ints, sides: Ints, left: Floats, top: Floats, texture: Ints | None = None) -> None:
        colour = np.array([COLOURS[code] for code in _TINTS], np.float32)[draws.pick(range(len(_TINTS)))]
        mirrored = draws.chance(0.5)
        for one in np.unique(sides):
            rows = np.nonzero(sides == one)[0]
            sprite, ids = atlas(int(one)), kinds[rows]
            paint = sprite.paint[ids] + sprite.tinted[ids][..., None] * colour[rows, None, None]
            cover, turn = sprite.cover[ids][..., None], mirrored[rows, None, None, None]
            paint, cover = (np.where(turn, pixels[:, :, ::-1], pixels) for pixels in (paint, cover))
            if texture is not None:
                paint = paint * _textures(int(one), scene[rows])[texture[rows], np.arange(len(rows))][..., None]
            ys = np.round(top[rows] * (size - one)).astype(np.int64)[:, None, None] + np.arange(one)[:, None]
            xs = np.round(left[rows] * (size - one)).astype(np.int64)[:, None, None] + np.arange(one)
            at = (rows[:, None, None], ys, xs)
            canvas[at] = canvas[at] * (1 - cover) + paint

    others = range(len(numbers))
    for _ in range(clutter - 1):
        put(draws.pick(others), small, draws.uniform(), draws.uniform())
    put(np.array([numbers[name] for name in KINDS])[kind], side, x, y, material)
    if clutter:
        # Somewhere on the edge of the thing.
        put(draws.pick(others), small, np.where(draws.chance(0.5), x - 0.25, x + 0.25).clip(0, 1), draws.uniform())
    light = 0.6 + 0.8 * draws.uniform()
    images = canvas * light[:, None, None, None].astype(np.float32) + noise * _grains(scene, canvas.shape)
    labels: dict[LabelSet, Ints] = {"kind": kind, "material": material, "setting": setting}
    return Views(np.clip(images, 0, 255).astype(np.uint8), labels)


def shifted(images: Images, shift: Shift, *, seed: int = 0) -> Images:
    """The same pictures under other conditions than those of the training.

    Args:
        images: ``(count, size, size, 3)``.
        shift: ``dark``: a third of the light; ``noisy``: 60 grey levels more of noise; ``inverted``: light is dark;
            ``grey``: without colour; ``rotated``: 20 to 45 degrees either way; ``moved``: up to a fifth of the side.
        seed: Of what is random.

    Raises:
        ValueError: There is no such shift.

    Example:
        >>> shifted(np.full((1, 1, 1, 3), 240, np.uint8), "inverted").ravel().tolist()
        [15, 15, 15]
    """
    count, size = images.shape[:2]
    draws = Draws(seed, _STREAM + 2000, np.arange(count))
    if shift == "dark":
        return images // 3
    if shift == "noisy":
        more = 60.0 * _grains(hashed(seed, _STREAM + 3000, np.arange(count)), images.shape)
        return np.clip(images + more, 0, 255).astype(np.uint8)
    if shift == "inverted":
        return 255 - images
    if shift == "grey":
        return np.repeat(images.mean(-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    if shift == "rotated":
        angle = np.deg2rad(20 + 25 * draws.uniform()) * np.where(draws.chance(0.5), 1, -1)
        cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
        ys, xs = cos * y - sin * x, sin * y + cos * x
    elif shift == "moved":
        far = size / 5
        ys, xs = (far * (2 * draws.uniform() - 1)[:, None, None] + one for one in (y, x))
    else:
        raise ValueError(f"no shift {shift!r}: choose from {', '.join(SHIFTS)}")
    rows, columns = (np.clip(np.round(one + (size - 1) / 2), 0, size - 1).astype(np.int64) for one in (ys, xs))
    return images[np.arange(count)[:, None, None], rows, columns]


def _textures(side: int, scene: npt.NDArray[np.uint64]) -> Pixels:
    """How much light each material gives back at each pixel. Shape ``(materials, count, side, side)``."""
    y, x = np.mgrid[:side, :side]
    wooden = np.where(y // 2 % 2 == 0, 1.0, 0.55)
    metal = 0.55 + 0.9 * (x + y) / (2 * side)
    woven = np.where((x // 2 + y // 2) % 2 == 0, 1.0, 0.55)
    stone = 0.8 + 0.35 * _grains(scene + np.uint64(1), (len(scene), side, side))
    patterns = np.broadcast_arrays(wooden, metal, stone, woven)
    return np.stack(patterns).astype(np.float32)


def _grains(scene: npt.NDArray[np.uint64], shape: tuple[int, ...]) -> Pixels:
    """Even noise from -1 to 1, by the hash of each picture."""
    each = int(np.prod(shape[1:]))
    words = hashed(scene[:, None], np.arange(-(-each // 8)))
    return (words.view(np.uint8).reshape(len(scene), -1)[:, :each].reshape(shape).astype(np.float32) - 127.5) / 127.5
