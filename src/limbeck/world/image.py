"""The picture of a scene: where things stand, and how they are drawn, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from limbeck.world.lexicon import lexicon
from limbeck.world.scene import PREPOSITIONS, SETTINGS, Facts, Frame, Role
from limbeck.world.sprites import BACKDROPS, COLOURS, SPRITES, TINTS
from limbeck.world.streams import Bools, Draws, Floats, Ints, hashed

Pixels = npt.NDArray[np.float32]

MAX_OBJECTS = 6
# The columns of a layout: who acts, with copies or company, what it is done to, and where.
_ACTOR, _COMPANY, _BURDEN, _OBJECT, _EXTRA, _PLACE = range(MAX_OBJECTS)

_SIZES = (0.27, 0.33, 0.40, 0.49)  # sides of the patches as shares of the image's side
_NOISE = 10.0  # grey levels either way
_PIXELS_AT_ONCE = 2**19  # keeps the floats of a batch within the cache, and huge batches within memory
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
def _designs() -> dict[str, tuple[str, str]]:
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
    sprites = [rasterise(_designs()[noun.kind][1], side) for noun in lexicon().nouns]
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


def _sides(image_size: int) -> tuple[int, ...]:
    return tuple(max(4, round(share * image_size)) for share in _SIZES)


@dataclass(frozen=True)
class Layout:
    """Where things stand in a batch of pictures.

    Args:
        kind: Kind ids, -1 for none. Shape ``(count, 6)``.
        x: Left edge of the patch in pixels. Shape ``(count, 6)``.
        y: Upper edge of the patch in pixels. Shape ``(count, 6)``.
        scale: Which of the patch sizes. Shape ``(count, 6)``.
        tint: The scene's colour of the thing. Shape ``(count, 6, 3)``.
        striped: Whether a material shows as stripes. Shape ``(count, 6)``.
        order: Columns from the back to the front. Shape ``(count, 6)``.
        light: Brightness and mirroring of the picture. Shapes ``(count,)``.
        scene: A hash of the scene, for the noise. Shape ``(count,)``.
        image_size: Side of the picture in pixels.
    """

    kind: Ints
    x: Ints
    y: Ints
    scale: Ints
    tint: Pixels
    striped: Bools
    order: Ints
    light: Floats
    mirrored: Bools
    scene: npt.NDArray[np.uint64]
    image_size: int

    def part(self, rows: slice) -> Layout:
        """The layout of some of the pictures."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        size = arrays.pop("image_size")
        return Layout(**{name: array[rows] for name, array in arrays.items()}, image_size=size)

    def boxes(self) -> npt.NDArray[np.float32]:
        """Boxes in pixels, 0 where there is no object. Shape ``(count, 6, 4)``."""
        boxes = np.zeros((*self.kind.shape, 4), np.float32)
        for scale, side in enumerate(_sides(self.image_size)):
            here = (self.kind >= 0) & (self.scale == scale)
            corner = np.stack([self.x, self.y, self.x, self.y], axis=-1)[here]
            boxes[here] = atlas(side).box[self.kind[here]] + corner
        return boxes


@lru_cache(maxsize=1)
def _tints() -> tuple[Pixels, Pixels]:
    """Colours by adjective id, and natural colours by kind id."""
    words = lexicon()
    told = [COLOURS[TINTS[one.english]] if one.english in TINTS else (0, 0, 0) for one in words.adjectives]
    natural = [COLOURS[_designs()[noun.kind][0]] for noun in words.nouns]
    return np.array(told, np.float32), np.array(natural, np.float32)


def lay_out(facts: Facts, seed: int, stream: int, index: Ints, image_size: int) -> Layout:
    """Place the things of some scenes so that the relation can be seen.

    Args:
        facts: What happens in the scenes.
        seed: The world's seed.
        stream: The split's number.
        index: The scenes' numbers. Shape ``(count,)``.
        image_size: Side of the pictures in pixels.
    """
    words = lexicon()
    # Another stream than that of the facts, so that looks tell nothing of what is said.
    draws = Draws(seed, stream + 1000, index)
    count = len(index)
    rows = np.arange(count)
    role = np.array([Role.ACTOR, Role.SECOND, Role.SECOND, Role.OBJECT, Role.DECOR, Role.PLACE])
    kind = facts.kind[:, role]
    frame = facts.frame
    carried = np.isin(frame, [Frame.GARMENT, Frame.RELATIVE])
    actors = facts.number[:, Role.ACTOR]
    kind[:, _COMPANY] = np.where(carried, -1, np.where(actors > 1, kind[:, _ACTOR], kind[:, _COMPANY]))
    kind[:, _BURDEN] = np.where(carried, kind[:, _BURDEN], np.where(actors > 2, kind[:, _ACTOR], -1))
    two_objects = facts.number[:, Role.OBJECT] > 1
    kind[:, _EXTRA] = np.where(two_objects, kind[:, _OBJECT], kind[:, _EXTRA])

    source = np.tile(role, (count, 1))
    source[:, _COMPANY] = np.where(actors > 1, Role.ACTOR, Role.SECOND)
    source[:, _BURDEN] = np.where(actors > 2, Role.ACTOR, Role.SECOND)
    source[:, _EXTRA] = np.where(two_objects, Role.OBJECT, Role.DECOR)

    groups = np.array([noun.group for noun in words.nouns])
    child = np.isin([noun.kind for noun in words.nouns], ["boy", "girl"])[kind]
    english = [one.english for one in words.adjectives]
    quality = facts.quality[rows[:, None], source]
    small = quality == english.index("small")
    large = np.isin(quality, [english.index("big"), english.index("tall")])
    scale = np.where(child, 1, 2) - np.where(small, np.where(child, 1, 2), 0) + large
    scale = np.where(frame[:, None] == Frame.GARMENT, np.where(np.arange(6) == _BURDEN, scale[:, :1], scale), scale)
    scale[:, _BURDEN] = np.where(frame == Frame.RELATIVE, 0, scale[:, _BURDEN])
    side = np.array(_sides(image_size))[scale]

    colour = facts.colour[rows[:, None], source]
    told, natural = _tints()
    clothes = np.array([COLOURS[code] for code in "rbgypow"], np.float32)[
        np.stack([draws.pick(range(7)) for _ in range(MAX_OBJECTS)], axis=1)
    ]
    person = (groups == "person")[kind][..., None]
    tint = np.where((colour >= 0)[..., None], told[colour], np.where(person, clothes, natural[kind]))
    striped = np.isin(colour, words.adjective_ids("material"))

    x, base, depth = _places(facts, draws, side / image_size)
    left = np.clip(np.round(x * image_size - side / 2), 0, image_size - side).astype(np.int64)
    top = np.clip(np.round(base * image_size - side), 0, image_size - side).astype(np.int64)
    worn = frame == Frame.GARMENT
    left[:, _BURDEN] = np.where(worn, left[:, _ACTOR], left[:, _BURDEN])
    top[:, _BURDEN] = np.where(worn, top[:, _ACTOR], top[:, _BURDEN])
    return Layout(
        kind,
        left,
        top,
        scale,
        tint,
        striped,
        np.argsort(depth, axis=1, kind="stable"),
        0.85 + 0.3 * draws.uniform(),
        draws.chance(0.5),
        hashed(seed, stream + 2000, index),
        image_size,
    )


def _places(facts: Facts, draws: Draws, side: Floats) -> tuple[Floats, Floats, Floats]:
    """Middle, foot and depth (larger is nearer) of each thing, as shares of the picture. Shapes ``(count, 6)``."""
    frame = facts.frame
    count = len(frame)
    columns = np.array([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])[draws.pick(range(6))]
    middles = np.array([0.19, 0.5, 0.81])[columns]
    x = np.stack([middles[:, 0]] * 3 + [middles[:, 1], middles[:, 1], middles[:, 2]], axis=1)
    x = x + 0.05 * np.stack([draws.uniform() - 0.5 for _ in range(MAX_OBJECTS)], axis=1)
    base = 0.84 + 0.06 * np.stack([draws.uniform() for _ in range(MAX_OBJECTS)], axis=1)

    # The theme of the place is the object, or the actor where there is none.
    has_object = facts.kind[:, Role.OBJECT] >= 0
    theme = np.where(has_object, _OBJECT, _ACTOR)
    rows = np.arange(count)
    relation = np.array([*PREPOSITIONS, ""])[facts.preposition]
    place_x, place_side = x[:, _PLACE], side[:, _PLACE]
    stacked = np.isin(relation, ["behind", "in front of", "on", "under"])
    x[rows, theme] = np.where(stacked, place_x + 0.12 * (draws.uniform() - 0.5), x[rows, theme])
    for name, theme_base, place_base in (
        ("behind", 0.70, 0.92),
        ("in front of", 0.98, 0.74),
        ("on", 0.93 - 0.6 * place_side, 0.93),
        ("under", 0.98, 0.66),
    ):
        here = relation == name
        base[rows, theme] = np.where(here, theme_base, base[rows, theme])
        base[:, _PLACE] = np.where(here, place_base, base[:, _PLACE])
    depth = base.copy()
    depth[rows, theme] = np.where(relation == "on", depth[:, _PLACE] + 0.01, depth[rows, theme])

    # Company stands about the actor, unless it is the second actor of the sentence, who is with the object.
    apart = frame == Frame.WHILE
    x[:, _COMPANY] = np.where(apart, x[:, _OBJECT] - 0.17, x[:, _ACTOR] + 0.15)
    base[:, _COMPANY] = np.where(apart, base[:, _OBJECT] - 0.02, base[:, _ACTOR] + 0.03)
    held = frame == Frame.RELATIVE
    x[:, _BURDEN] = np.where(held, x[:, _ACTOR] + 0.15, x[:, _ACTOR] - 0.14)
    base[:, _BURDEN] = np.where(held, base[:, _ACTOR] - 0.06, base[:, _ACTOR] - 0.03)
    for column in (_COMPANY, _BURDEN):
        depth[:, column] = depth[:, _ACTOR] + base[:, column] - base[:, _ACTOR]
    depth[:, _COMPANY] = np.where(apart, depth[:, _OBJECT] - 0.02, depth[:, _COMPANY])
    depth[:, _BURDEN] = np.where(held | (frame == Frame.GARMENT), depth[:, _ACTOR] + 0.001, depth[:, _BURDEN])

    # A second object lies beside the first; decor stands back, where nothing else is.
    pair = facts.number[:, Role.OBJECT] > 1
    x[:, _EXTRA] = np.where(pair, x[:, _OBJECT] + 0.14, np.where(has_object & ~stacked, 0.5, middles[:, 1]))
    base[:, _EXTRA] = np.where(pair, base[:, _OBJECT] + 0.02, 0.60)
    depth[:, _EXTRA] = np.where(pair, depth[:, _OBJECT] + 0.002, 0.0)
    return x, base, depth


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
        for scale, side in enumerate(_sides(layout.image_size)):
            rows = np.nonzero(there & (layout.scale[every, column] == scale))[0]
            if not len(rows):
                continue
            chosen = column[rows]
            ys = layout.y[rows, chosen][:, None, None] + np.arange(side)[None, :, None]
            xs = layout.x[rows, chosen][:, None, None] + np.arange(side)[None, None, :]
            yield rows, ys, xs, chosen, atlas(side)
