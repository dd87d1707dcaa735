"""Random numbers that depend on where they are drawn and never on what was drawn before.

Every number is a hash of (seed, stream, index, slot), so scene 17 is the same alone, in a batch, and in another batch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInts = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def mix(values: UInts) -> UInts:
    """The finaliser of splitmix64: a bijection of 64-bit words whose outputs look independent. Any shape."""
    values = values ^ (values >> _SHIFTS[0])
    values = values * _FACTORS[0]
    values = values ^ (values >> _SHIFTS[1])
    values = values * _FACTORS[1]
    return values ^ (values >> _SHIFTS[2])


def hashed(*keys: int | Ints | UInts) -> UInts:
    """Hash integers (broadcast against one another) to one 64-bit word each.

    Example:
        >>> import numpy as np
        >>> bool(hashed(0, 1, np.arange(3))[2] == hashed(0, 1, np.arange(2, 5))[0])
        True
    """
    state = np.zeros(1, np.uint64)
    for key in keys:
        state = mix(state * _GOLDEN + np.atleast_1d(np.asarray(key)).astype(np.uint64) + _GOLDEN)
    return state


class Draws:
    """Named-by-order draws for a batch of scenes; the n-th call draws from slot n.

    Args:
        seed: The world's seed.
        stream: The split's number.
        index: The scenes' numbers in the split. Shape ``(count,)``.
    """

    def __init__(self, seed: int, stream: int, index: Ints) -> None:
        self._scene = hashed(seed, stream, index)
        self._slot = 0

    def uniform(self) -> Floats:
        """In [0, 1). Shape ``(count,)``."""
        self._slot += 1
        word = mix(self._scene + np.uint64(self._slot * int(_GOLDEN) % 2**64))
        return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def chance(self, probability: float | Floats) -> Bools:
        """True with a probability. Shape ``(count,)``."""
        return self.uniform() < probability

    def pick(self, among: Ints | list[int] | range) -> Ints:
        """One of some integers, each as likely. Shape ``(count,)``."""
        options = np.asarray(among, np.int64)
        return options[(self.uniform() * len(options)).astype(np.int64)]

    def weighted(self, weights: Floats) -> Ints:
        """A column, by its weight; one row for all scenes or one a scene. Shape ``(count,)``."""
        limits = np.cumsum(np.atleast_2d(weights), axis=1)
        limits = limits / limits[:, -1:]
        return np.minimum((self.uniform()[:, None] >= limits).sum(axis=1), limits.shape[1] - 1)
