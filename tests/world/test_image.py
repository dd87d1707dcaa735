"""What can be read back from a picture: kinds, colours, sizes, places and the relation."""

import numpy as np
import pytest

from limbeck.world import World
from limbeck.world.atlas import atlas, rasterise
from limbeck.world.lexicon import lexicon
from limbeck.world.scene import PREPOSITIONS, Role
from limbeck.world.sprites import COLOURS, TINTS

WORDS = lexicon()
SCENES = World(seed=6, image_size=48).scenes("train", count=1500)
OBJECT, PLACE = 3, 5  # columns of a layout


def test_boxes_hold_what_is_seen_of_each_object() -> None:
    masks, boxes, size = SCENES.masks(), SCENES.boxes(), 48
    assert (boxes[~SCENES.present] == 0).all()
    there = boxes[SCENES.present]
    assert (there[:, :2] < there[:, 2:]).all()
    assert there.min() >= 0
    assert there.max() <= size
    assert set(np.unique(masks)) <= set(range(SCENES.objects.shape[1] + 1))
    for row in range(200):
        for column in range(SCENES.objects.shape[1]):
            ys, xs = np.nonzero(masks[row] == column + 1)
            if len(ys):
                x0, y0, x1, y1 = boxes[row, column]
                assert SCENES.present[row, column]
                assert x0 <= xs.min()
                assert xs.max() < x1
                assert y0 <= ys.min()
                assert ys.max() < y1


def test_most_objects_are_seen() -> None:
    masks = SCENES.masks()
    seen = np.stack([(masks == column + 1).sum(axis=(1, 2)) for column in range(SCENES.objects.shape[1])], axis=1)
    assert (seen[SCENES.present] >= 4).mean() > 0.97


def test_a_colour_that_is_told_is_seen() -> None:
    pictures, masks = SCENES.images().astype(float), SCENES.masks()
    named = {index: one.english for index, one in enumerate(WORDS.adjectives) if one.group == "colour"}
    told = SCENES.facts.colour[:, Role.PLACE]
    right, checked = 0, 0
    palette = np.array([COLOURS[TINTS[name]] for name in named.values()], float)
    for row in np.nonzero(np.isin(told, list(named)))[0]:
        pixels = pictures[row][masks[row] == PLACE + 1]
        if len(pixels) < 30:
            continue
        nearest = np.abs(pixels[:, None] - palette).sum(axis=2).argmin(axis=1)
        right += (nearest == list(named).index(int(told[row]))).mean() > 0.2
        checked += 1
    assert checked > 50
    assert right / checked > 0.9


@pytest.mark.parametrize(("relation", "sign"), [("behind", -1), ("in front of", 1), ("on", -1), ("under", 1)])
def test_the_relation_is_seen(relation: str, sign: int) -> None:
    facts, boxes = SCENES.facts, SCENES.boxes()
    rows = np.nonzero(facts.preposition == PREPOSITIONS.index(relation))[0]
    theme = np.where(facts.kind[rows, Role.OBJECT] >= 0, OBJECT, 0)
    thing, place = boxes[rows, theme], boxes[rows, PLACE]
    assert len(rows) > 5
    assert (np.sign(thing[:, 3] - place[:, 3]) == sign).mean() > 0.9
    apart = np.abs(thing[:, [0, 2]].mean(axis=1) - place[:, [0, 2]].mean(axis=1))
    assert (apart < 12).mean() > 0.95


def test_small_and_big_differ_in_size() -> None:
    english = [one.english for one in WORDS.adjectives]
    boxes = SCENES.boxes()[:, PLACE]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    quality = SCENES.facts.quality[:, Role.PLACE]
    assert area[quality == english.index("big")].mean() > 2 * area[quality == english.index("small")].mean()


def test_as_many_actors_as_are_told() -> None:
    kind = SCENES.facts.kind[:, Role.ACTOR]
    rows = (kind >= 0) & (SCENES.facts.number[:, Role.ACTOR] > 1)
    seen = (SCENES.objects[:, :3] == kind[:, None]).sum(axis=1)
    assert (seen[rows] == SCENES.facts.number[rows, Role.ACTOR]).all()


def test_no_two_kinds_look_alike() -> None:
    sprites = atlas(13)
    looks = np.concatenate([sprites.paint / 255, sprites.tinted[..., None], sprites.cover[..., None]], axis=-1)
    flat = looks.reshape(len(looks), -1)
    distance = np.abs(flat[:, None] - flat[None]).mean(axis=2)
    np.fill_diagonal(distance, 1)
    first, second = np.unravel_index(distance.argmin(), distance.shape)
    assert distance.min() > 0.015, (WORDS.nouns[first].kind, WORDS.nouns[second].kind)


def test_senses_of_a_word_look_different() -> None:
    sprites = atlas(13)
    for senses in WORDS.senses_by_word(by_setting=True).values():
        one, two = (sprites.cover[sense.kind] for sense in senses)
        assert np.abs(one - two).mean() > 0.1, senses


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="no form 'z'"):
        rasterise("z r 0 0 10 10", 8)


def test_every_size_can_be_drawn() -> None:
    for size in (16, 33, 64):
        assert World(image_size=size).scenes("train", count=5).images().shape == (5, size, size, 3)
