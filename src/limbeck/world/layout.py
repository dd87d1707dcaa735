"""Where the things of a scene stand in its picture, for a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from limbeck.world.atlas import Pixels, atlas, designs
from limbeck.world.lexicon import lexicon
from limbeck.world.scene import PREPOSITIONS, Facts, Frame, Role
from limbeck.world.sprites import COLOURS, TINTS
from limbeck.world.streams import Bools, Draws, Floats, Ints, hashed

MAX_OBJECTS = 6
# The columns of a layout: who acts, with copies or company, what it is done to, and where.
_ACTOR, _COMPANY, _BURDEN, _OBJECT, _EXTRA, _PLACE = range(MAX_OBJECTS)

_SIZES = (0.27, 0.33, 0.40, 0.49)  # sides of the patches as shares of the image's side


def patch_sides(image_size: int) -> tuple[int, ...]:
    """The sizes of patches in pixels, the smallest first."""
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
        for scale, side in enumerate(patch_sides(self.image_size)):
            here = (self.kind >= 0) & (self.scale == scale)
            corner = np.stack([self.x, self.y, self.x, self.y], axis=-1)[here]
            boxes[here] = atlas(side).box[self.kind[here]] + corner
        return boxes


@lru_cache(maxsize=1)
def _tints() -> tuple[Pixels, Pixels]:
    """Colours by adjective id, and natural colours by kind id."""
    words = lexicon()
    told = [COLOURS[TINTS[one.english]] if one.english in TINTS else (0, 0, 0) for one in words.adjectives]
    natural = [COLOURS[designs()[noun.kind][0]] for noun in words.nouns]
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
    side = np.array(patch_sides(image_size))[scale]

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
