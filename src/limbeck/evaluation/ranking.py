"""How good a ranking is, a query at a time: nDCG and reciprocal rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import LimbeckError

Array = NDArray[np.float64]


def ndcg(scores: NDArray[Any], grades: NDArray[Any], k: int = 10) -> Array:
    """Normalised discounted cumulative gain of the first ``k``, with gains ``2^grade - 1``.

    Of equal scores the order is taken that is worst, so that a ranker that says the same of all is not rewarded for
    the order in which it was asked.

    Args:
        scores: What the ranker said, ``(queries, candidates)``.
        grades: How relevant each candidate is, from 0, ``(queries, candidates)``.
        k: How many are looked at.

    Returns:
        One number in [0, 1] a query; 0 where nothing is relevant.

    Raises:
        LimbeckError: The shapes differ, ``k`` is not positive, or a score is not finite.

    Reference:
        Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", 2002; the gains are those of
        Burges et al., "Learning to Rank using Gradient Descent", ICML 2005.

    Example:
        >>> ndcg(np.array([[3.0, 2.0, 1.0]]), np.array([[0, 0, 1]])).tolist()
        [0.5]
    """
    gains = np.exp2(_ranked(scores, grades, k)) - 1
    ideal = np.exp2(-np.sort(-np.asarray(grades, dtype=np.float64), axis=1)) - 1
    best, found = (_discounted(side[:, :k]) for side in (ideal, gains))
    return np.divide(found, best, out=np.zeros(len(found)), where=best > 0)


def reciprocal_rank(scores: NDArray[Any], relevant: NDArray[Any], k: int = 10) -> Array:
    """One over the rank of the first relevant candidate; 0 where it is not among the first ``k``.

    Args:
        scores: What the ranker said, ``(queries, candidates)``; of equal scores the worst order is taken.
        relevant: True where a candidate is relevant, ``(queries, candidates)``.
        k: How many are looked at.

    Returns:
        One number in [0, 1] a query; its mean is MRR.

    Raises:
        LimbeckError: As in :func:`ndcg`.

    Example:
        >>> reciprocal_rank(np.array([[3.0, 2.0], [1.0, 5.0]]), np.array([[False, True], [False, True]])).tolist()
        [0.5, 1.0]
    """
    found = _ranked(scores, np.asarray(relevant, dtype=bool), k)[:, :k] > 0
    return np.where(found.any(axis=1), 1.0 / (1 + found.argmax(axis=1)), 0.0)


def _ranked(scores: NDArray[Any], grades: NDArray[Any], k: int) -> Array:
    """Grades in the order of the scores."""
    said, worth = np.asarray(scores, dtype=np.float64), np.asarray(grades, dtype=np.float64)
    if said.shape != worth.shape or said.ndim != 2:
        raise LimbeckError(f"scores and grades must be (queries, candidates); got {said.shape} and {worth.shape}")
    if k < 1:
        raise LimbeckError(f"k must be positive, got {k}")
    if not np.isfinite(said).all():
        raise LimbeckError("a score is not finite: it has no rank")
    return np.take_along_axis(worth, np.lexsort((worth, -said), axis=1), axis=1)


def _discounted(gains: Array) -> Array:
    return np.asarray(gains @ (1 / np.log2(np.arange(2, gains.shape[1] + 2))))
