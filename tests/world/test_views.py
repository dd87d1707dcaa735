"""Views depend on their number alone; their labels can be read back from them; shifts do what they say."""

from __future__ import annotations

import numpy as np
import pytest

from limbeck.world.atlas import backdrops
from limbeck.world.views import CLASSES, KINDS, SHIFTS, shifted, views


def test_a_view_depends_on_its_number_alone() -> None:
    whole, part = views("train", 40), views("train", 7, start=20)
    assert (whole.images[20:27] == part.images).all()
    assert all((whole.labels[name][20:27] == part.labels[name]).all() for name in CLASSES)


@pytest.mark.parametrize("other", [{"split": "pool"}, {"seed": 1}, {"start": 40}])
def test_splits_seeds_and_numbers_share_no_picture(other: dict[str, int]) -> None:
    changed = views(**{"split": "train", "count": 40, **other})  # type: ignore[arg-type]
    assert not (views("train", 40).images == changed.images).all((1, 2, 3)).any()


def test_labels_are_even_and_independent() -> None:
    labels = views("train", 4000, size=16).labels
    for name, classes in CLASSES.items():
        shares = np.bincount(labels[name], minlength=len(classes)) / 4000 * len(classes)
        assert (abs(shares - 1) < 0.25).all(), name
    both = np.zeros((len(KINDS), 4))
    np.add.at(both, (labels["kind"], labels["material"]), 1)
    assert (abs(both / 4000 * both.size - 1) < 0.5).all()


def test_labels_can_be_read_back_from_clean_pictures() -> None:
    seen = views("test", 300, clutter=0, noise=0.0, wander=0.0)
    empty = np.stack([backdrops(32), backdrops(32)[:, :, ::-1]], axis=1)[:, :, :4]  # above the thing
    ours = seen.images[:, None, None, :4].astype(float)
    light = (ours * empty).sum((3, 4, 5), keepdims=True) / (empty**2).sum((2, 3, 4))[None, :, :, None, None, None]
    distance = abs(ours - np.minimum(light * empty, 255)).sum((3, 4, 5)).min(2)
    assert (distance.argmin(1) == seen.labels["setting"]).mean() > 0.95
    # The mean picture of a kind is nearer to its pictures than that of others, far beyond chance.
    more = views("train", 3000, clutter=0, noise=0.0, wander=0.0)
    for name, least in (("kind", 0.17), ("material", 0.3)):
        grey = [one.images.mean(-1).reshape(len(one), -1) for one in (more, seen)]
        means = np.stack([grey[0][more.labels[name] == c].mean(0) for c in range(len(CLASSES[name]))])  # type: ignore[index]
        near = ((grey[1][:, None] - means) ** 2).sum(-1).argmin(1)
        assert (near == seen.labels[name]).mean() > least, name  # type: ignore[index]


def test_knobs() -> None:
    calm, moved = (views("train", 50, clutter=0, noise=0.0, wander=wander).images for wander in (0.0, 1.0))
    assert (calm != moved).any((1, 2, 3)).all()
    noisy, clear = (views("train", 50, noise=noise).images.astype(int) for noise in (60.0, 0.0))
    assert 15 < abs(noisy - clear).mean() < 35  # half of 60, less what is cut off at black and white


def test_shifts() -> None:
    images = views("test", 30).images
    assert (shifted(shifted(images, "inverted"), "inverted") == images).all()
    assert shifted(images, "dark").max() == images.max() // 3
    assert np.ptp(shifted(images, "grey"), axis=-1).max() == 0
    for shift in SHIFTS:
        assert (shifted(images, shift) != images).any((1, 2, 3)).all()
        assert (shifted(images, shift) == shifted(images, shift)).all()
    # What is moved has the old pixels at another place.
    places = [(y, x) for y in range(-7, 8) for x in range(-7, 8)]
    for old, new in zip(images, shifted(images, "moved"), strict=True):
        assert any((np.roll(old, place, (0, 1))[8:24, 8:24] == new[8:24, 8:24]).all() for place in places)
    with pytest.raises(ValueError, match="no shift 'upside'"):
        shifted(images, "upside")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no split 'dev'"):
        views("dev", 1)  # type: ignore[arg-type]
