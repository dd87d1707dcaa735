"""Distances between feature maps, one value an item of the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]


def l2_distance(student: Float[Tensor, "b *f"], teacher: Float[Tensor, "b *f"]) -> Float[Tensor, " b"]:
    """Mean of squared differences. On standardised features 1 is what the constant mean would get, 0 is perfect."""
    return (student - teacher).square().flatten(1).mean(1)


def l1_distance(student: Float[Tensor, "b *f"], teacher: Float[Tensor, "b *f"]) -> Float[Tensor, " b"]:
    """Mean of absolute differences."""
    return (student - teacher).abs().flatten(1).mean(1)


def linf_distance(student: Float[Tensor, "b *f"], teacher: Float[Tensor, "b *f"]) -> Float[Tensor, " b"]:
    """Largest absolute difference."""
    return (student - teacher).abs().flatten(1).amax(1)


def kl_distance(student: Float[Tensor, "b *f"], teacher: Float[Tensor, "b *f"]) -> Float[Tensor, " b"]:
    """``KL(softmax(teacher), softmax(student))`` over all features of an item, so that a single place works too."""
    log_student = F.log_softmax(student.flatten(1), dim=1)
    log_teacher = F.log_softmax(teacher.flatten(1), dim=1)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(1)


def cosine_distance(student: Float[Tensor, "b *f"], teacher: Float[Tensor, "b *f"]) -> Float[Tensor, " b"]:
    """``1 - cosine``: 0 where the features point the same way, so that minimising it draws them together."""
    return 1.0 - F.cosine_similarity(student.flatten(1), teacher.flatten(1), dim=1)


DISTANCES: dict[str, Distance] = {
    "l2": l2_distance,
    "l1": l1_distance,
    "linf": linf_distance,
    "kl": kl_distance,
    "cosine": cosine_distance,
}


def distance(name: str) -> Distance:
    """Find a distance by its name.

    Raises:
        ValueError: If there is none of that name; the message lists those that there are.

    Example:
        >>> import torch
        >>> distance("l2")(torch.zeros(2, 3), torch.ones(2, 3)).tolist()
        [1.0, 1.0]
    """
    if name not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, got {name!r}")
    return DISTANCES[name]
