"""Which sequences of a corpus are worth learning from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.distill.examples import Example
from limbeck.systems.language.examples import Splits
from limbeck.systems.language.measures import NLL, likelihood

Scores = NDArray[np.float64]


def mean_nll(model: Any, splits: Splits, examples: Sequence[Example]) -> Scores:
    """The mean negative log-likelihood a word of each sequence, in nats. Shape ``(examples,)``."""
    _, statistics = likelihood(model, None, splits, examples)[NLL.name]
    return np.asarray(statistics[:, 0] / statistics[:, 1])


def by_difference(teacher: Scores, reference: Scores) -> Scores:
    """How much better the teacher knows a sequence than the reference: hard, and can be learnt.

    Noise is hard for both, what is trivial is easy for both.
    """
    return reference - teacher


def by_teacher(teacher: Scores, _reference: Scores) -> Scores:
    """How well the teacher knows a sequence."""
    return -teacher


def by_reference(_teacher: Scores, reference: Scores) -> Scores:
    """How badly the reference knows a sequence."""
    return reference


WAYS: dict[str, Callable[[Scores, Scores], Scores]] = {
    "difference": by_difference,
    "teacher": by_teacher,
    "reference": by_reference,
}


def top(scores: Scores, share: float) -> NDArray[np.int64]:
    """The rows of the greatest scores, in their own order.

    Args:
        scores: One a row.
        share: Of the rows, in ``(0, 1]``; at least one is kept.

    Example:
        >>> top(np.array([3.0, 1.0, 2.0, 5.0]), 0.5).tolist()
        [0, 3]
    """
    number = max(1, round(share * len(scores)))
    return np.sort(np.argsort(-scores, kind="stable")[:number])


def proportional(scores: Scores, share: float, *, seed: int, temperature: float = 1.0) -> NDArray[np.int64]:
    """Rows drawn without replacement with chances like ``exp(score / temperature)``, in their own order."""
    noise = np.random.default_rng(seed).gumbel(size=len(scores))
    return top(scores / temperature + noise, share)
