"""Teachers of pictures, which a lab keeps by all that made them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from limbeck.methods.base import Method
from limbeck.systems.lab import Lab
from limbeck.systems.vision.data import ImageSet, Pictures
from limbeck.systems.vision.models import Shape
from limbeck.systems.vision.task import Change, ImageTask
from limbeck.systems.vision.training import Budget, fit_pictures


def image_teacher(
    lab: Lab,
    shape: Shape,
    data: ImageSet,
    budget: Budget,
    *,
    number: int = 0,
    pictures: Pictures | None = None,
    methods: Sequence[Method] = (),
    change: Change | None = None,
    label_weight: float = 1.0,
    noted: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A network trained without a teacher, on labels alone if nothing else is said; kept by the lab.

    Args:
        lab: Keeps it.
        shape: Of the network.
        data: Gives the classes, and its pool.
        budget: For how long.
        number: One of several that are alike.
        pictures: What it learns from instead of the pool.
        methods: What else it learns by.
        change: Changes each batch.
        label_weight: Of the labels.
        noted: What tells methods, change and weight from others, for its name and recipe, in place of the number.
    """
    those = data.pool if pictures is None else pictures
    name = "-".join([data.name, shape.family, *(noted or ())])
    recipe = recipe_of(shape, those, budget, data=data.name, **(noted or {"number": number}))

    def learn(network: nn.Module) -> None:
        task = ImageTask(network, methods, label_weight=label_weight, change=change)
        fit_pictures(task, those, budget, seed=number, device=lab.device)

    return lab.teacher(name, recipe, lambda: shape.build(len(data.classes), those.size), learn)


def recipe_of(shape: Shape, pictures: Pictures, budget: Budget, **more: Any) -> dict[str, Any]:
    """What decides what a teacher becomes, as :meth:`~limbeck.systems.lab.Lab.teacher` wants it.

    Args:
        shape: Of the network.
        pictures: What it learns from.
        budget: For how long.
        more: What else does, as plain JSON.
    """
    return {
        "shape": [shape.family, list(shape.widths), shape.depth, shape.patch],
        "pictures": fingerprint(pictures),
        "batch": budget.batch_size,
        "plan": budget.plan().model_dump(mode="json"),
        **more,
    }


def fingerprint(pictures: Pictures) -> str:
    """Tells pictures and labels apart from others."""
    digest = hashlib.sha256(pictures.images.contiguous().numpy().tobytes())
    digest.update(pictures.labels.contiguous().numpy().tobytes())
    return digest.hexdigest()
