"""Everything random in a run: seeding it, keeping it, and putting it back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

RandomState = tuple[dict[str, Tensor], dict[str, Any]]
"""Of every generator: tensors (torch), and what JSON can hold (Python, numpy)."""


def set_seed(seed: int, *more: int) -> None:
    """Seed Python, numpy and torch (CPU and CUDA).

    Args:
        seed: At least 0.
        more: Further numbers (an epoch, a process) that each give other random numbers under the same seed.

    Example:
        >>> set_seed(7)
        >>> first = torch.rand(2)
        >>> set_seed(7)
        >>> bool((torch.rand(2) == first).all())
        True
    """
    mixed = [int(word) for word in np.random.SeedSequence([seed, *more]).generate_state(3)]
    random.seed(mixed[0])
    # The global generator of numpy is what other libraries draw from, so that one must be seeded.
    np.random.seed(mixed[1])  # noqa: NPY002
    torch.manual_seed(mixed[2])


def random_state() -> RandomState:
    """The state of every generator, as it is now."""
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        tensors["cuda"] = torch.cuda.get_rng_state()
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    numpy_state = [np.asarray(keys).tolist(), int(position), int(has_gauss), float(gauss)]
    version, words, python_gauss = random.getstate()
    return tensors, {"numpy": numpy_state, "python": [version, list(words), python_gauss]}


def restore_random_state(tensors: dict[str, Tensor], others: dict[str, Any]) -> None:
    """Put back what :func:`random_state` gave."""
    torch.set_rng_state(tensors["cpu"])
    if "cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["cuda"])
    keys, position, has_gauss, gauss = others["numpy"]
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, words, python_gauss = others["python"]
    random.setstate((version, tuple(words), python_gauss))


@contextmanager
def undisturbed_randomness() -> Iterator[None]:
    """Whatever is drawn inside the ``with`` block, the random numbers after it are those without the block.

    Example:
        >>> set_seed(1); expected = torch.rand(1)
        >>> set_seed(1)
        >>> with undisturbed_randomness():
        ...     drawn = torch.rand(5)
        >>> bool(torch.rand(1) == expected)
        True
    """
    state = random_state()
    try:
        yield
    finally:
        restore_random_state(*state)
