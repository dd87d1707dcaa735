"""Networks for other tasks than the one at hand: what each is trained for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from limbeck.systems.vision.data import ImageSet, Sizes, image_set
from limbeck.world.views import CLASSES, LabelSet


@dataclass(frozen=True)
class Source:
    """What one network of the zoo was trained for.

    Args:
        labels: What it tells apart.
        classes: Of these; empty is all.
        inverted: Whether light and dark are exchanged.
        nonsense: Whether the labels have nothing to do with the pictures.
    """

    labels: LabelSet
    classes: tuple[int, ...] = ()
    inverted: bool = False
    nonsense: bool = False


SOURCES = {
    "kinds-a": Source("kind", (0, 1, 2, 3, 4, 5)),
    "kinds-b": Source("kind", (6, 7, 8, 9, 10, 11)),
    "kinds-inverted": Source("kind", (0, 1, 2, 6, 7, 8), inverted=True),
    "material": Source("material"),
    "setting": Source("setting"),
    "nonsense": Source("kind", nonsense=True),
}


def source_data(source: Source, sizes: Sizes) -> ImageSet:
    """The pool of a source's task, as a data set of its own."""
    data = image_set(sizes=Sizes(1, 1, 1, sizes.pool), labels=source.labels)
    pool, names = data.pool, CLASSES[source.labels]
    if source.classes:
        chosen = torch.tensor(source.classes)
        pool = pool.at(torch.isin(pool.labels, chosen))
        pool = replace(pool, labels=torch.searchsorted(chosen, pool.labels))
        names = tuple(names[one] for one in source.classes)
    if source.inverted:
        pool = pool.shifted("inverted")
    if source.nonsense:
        order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))
        pool = replace(pool, labels=pool.labels[order])
    return replace(data, name=f"{data.name}-source", classes=names, pool=pool)
