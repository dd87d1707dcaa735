"""Small ResNets of many shapes, a band of parameters, and what is told of them untrained."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import torch

from limbeck.models.size import parameters_of
from limbeck.students.scores import diswot_terms, naswot, synflow
from limbeck.students.search import Found, evolve
from limbeck.systems.vision.data import Pictures
from limbeck.systems.vision.models import SHAPES, Shape
from limbeck.training.seed import set_seed, undisturbed_randomness

TEACHER = SHAPES["resnet-teacher"]
WIDTHS, DEPTHS = ((8, 12, 16, 24, 32),) * 3, (1, 2)
BAND = 20_000, 40_000
"""Parameters that a candidate may have."""
SCORES = ("diswot", "semantic", "relation", "params", "naswot", "synflow")


def space() -> list[Shape]:
    """All candidates, whatever their size."""
    return [Shape("resnet", widths, depth) for widths in product(*WIDTHS) for depth in DEPTHS]


def mutate(shape: Shape, chance: random.Random) -> Shape:
    """Another width of one stage, or another depth."""
    place = chance.randrange(len(shape.widths) + 1)
    if place == len(shape.widths):
        return replace(shape, depth=chance.choice([one for one in DEPTHS if one != shape.depth]))
    widths = list(shape.widths)
    widths[place] = chance.choice([one for one in WIDTHS[place] if one != widths[place]])
    return replace(shape, widths=tuple(widths))


@cache
def allowed(shape: Shape, classes: int) -> bool:
    """Whether it lies in the band of parameters."""
    with torch.device("meta"):
        return BAND[0] <= parameters_of(shape.build(classes)) <= BAND[1]


def search(pictures: Pictures, classes: int, *, seed: int, **limits: int) -> Found[Shape]:
    """Evolution by DisWOT's score within the band.

    Args:
        pictures: Of which batches are shown.
        classes: How many there are.
        seed: Of the search.
        limits: ``population``, ``tournament`` and ``cycles`` of :func:`~limbeck.students.search.evolve`.
    """
    everything = space()
    return evolve(
        lambda chance: chance.choice(everything), mutate,
        lambda shape: scores(shape, pictures, classes, only="diswot")["diswot"],
        allowed=lambda shape: allowed(shape, classes), seed=seed, **limits,
    )  # fmt: skip


def scores(shape: Shape, pictures: Pictures, classes: int, *, only: str = "") -> dict[str, float]:
    """Every score of an untrained candidate, or one: means over four batches of 64 and four sets of first weights."""
    sums = dict.fromkeys((only,) if only else SCORES, 0.0)
    with undisturbed_randomness():
        for number in range(4):
            some = pictures.at(slice(64 * number, 64 * (number + 1)) if len(pictures) >= 256 else slice(0, 64))
            set_seed(number)
            teacher, student = TEACHER.build(classes), shape.build(classes)
            likeness = diswot_terms(student, teacher, some.pixels, some.labels, maps="stages.2", head="head")
            ways: dict[str, Callable[[], float]] = {
                "diswot": lambda both=likeness: sum(both),
                "semantic": lambda both=likeness: both[0],
                "relation": lambda both=likeness: both[1],
                "params": lambda network=student: float(parameters_of(network)),
                "naswot": lambda network=student, pixels=some.pixels: naswot(network, pixels),
                "synflow": lambda network=student, pixels=some.pixels: synflow(network, pixels),
            }
            for name in sums:
                sums[name] += ways[name]() / 4
    return sums
