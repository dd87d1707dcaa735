"""How well a network's features fit a task, from a few labelled items and without training it.

All take the features of the items and the numbers of their classes, and give one number; higher is a better fit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

Array = NDArray[np.float64]
Score = Callable[[Array, NDArray[np.int64]], float]


def parc(features: Float[Array, "items width"], labels: Int[NDArray[np.int64], " items"]) -> float:
    """Spearman correlation of how unlike two items' features are and how unlike their labels are, over all pairs.

    Unlike is ``1 - Pearson correlation`` for features and for one-hot labels alike. Constant features are like nothing.

    Args:
        features: One row an item.
        labels: Classes.

    Returns:
        From -1 to 1; 0 where either side is the same for all pairs.

    Raises:
        ValueError: There are fewer than three items, or features and labels differ in number.

    Reference:
        Bolya et al., "Scalable Diverse Model Selection for Accessible Transfer Learning", NeurIPS 2021,
        arXiv 2111.06977.

    Example:
        >>> parc(np.array([[1.0, 0.0, 2.0], [1.1, 0.0, 2.0], [0.0, 1.0, 0.2]]), np.array([0, 0, 1])) > 0.8
        True
    """
    _check(features, labels)
    upper = np.triu_indices(len(labels), 1)
    return spearman(_unlike(features)[upper], _unlike(_one_hot(labels))[upper])


def cka(features: Float[Array, "items width"], labels: Int[NDArray[np.int64], " items"]) -> float:
    """Linear CKA of features and one-hot labels: from 0 to 1, free of rotation and scale.

    Args:
        features: One row an item.
        labels: Classes.

    Raises:
        ValueError: There are fewer than three items, or features and labels differ in number.

    Reference:
        Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, arXiv 1905.00414.

    Example:
        >>> round(cka(np.array([[2.0], [2.0], [5.0], [5.0]]), np.array([0, 0, 1, 1])), 6)
        1.0
    """
    _check(features, labels)
    ours, theirs = (side - side.mean(0) for side in (features.astype(np.float64), _one_hot(labels)))
    scale = np.linalg.norm(ours.T @ ours) * np.linalg.norm(theirs.T @ theirs)
    return float(np.square(theirs.T @ ours).sum() / scale) if scale > 0 else 0.0


def knn_accuracy(
    features: Float[Array, "items width"], labels: Int[NDArray[np.int64], " items"], neighbours: int = 3
) -> float:
    """The share of items whose class most of their nearest other items have, by the cosine.

    Each item is left out in turn. Among classes with as many of the neighbours the nearer one's wins.

    Args:
        features: One row an item.
        labels: Classes.
        neighbours: How many are asked.

    Raises:
        ValueError: There are fewer than three items, or features and labels differ in number.

    Example:
        >>> knn_accuracy(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]), np.array([0, 0, 1, 1]), 1)
        1.0
    """
    _check(features, labels)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(lengths > 0, lengths, 1.0)
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    order = np.argsort(-near, axis=1, kind="stable")[:, : min(neighbours, len(labels) - 1)]
    votes = _one_hot(labels)[order].sum(1) if order.shape[1] else np.zeros((len(labels), 1))
    # A thousandth for being near decides between classes with as many votes.
    classes = np.unique(labels)
    for rank in range(order.shape[1]):
        votes[np.arange(len(labels)), np.searchsorted(classes, labels[order[:, rank]])] += 1e-3 * 2.0**-rank
    return float((classes[votes.argmax(1)] == labels).mean())


def spearman(first: Float[Array, " items"], second: Float[Array, " items"]) -> float:
    """Pearson correlation of the ranks; what is equal shares the mean of its ranks. 0 where either is constant.

    Example:
        >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0])), 6)
        1.0
    """
    import pandas

    ranks = [pandas.Series(side).rank().to_numpy() for side in (first, second)]
    ours, theirs = (side - side.mean() for side in ranks)
    scale = np.linalg.norm(ours) * np.linalg.norm(theirs)
    return float(np.clip(ours @ theirs / scale, -1, 1)) if scale > 0 else 0.0


SCORES: dict[str, Score] = {"parc": parc, "cka": cka, "knn": knn_accuracy}


def _unlike(rows: Array) -> Array:
    """``1 - Pearson correlation`` of all pairs of rows."""
    centred = rows - rows.mean(1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(lengths > 1e-12, lengths, 1.0)
    # Rounding would rank pairs that are equally unlike.
    return np.round(1.0 - unit @ unit.T, 12)


def _one_hot(labels: NDArray[np.int64]) -> Array:
    return (labels[:, None] == np.unique(labels)[None]).astype(np.float64)


def _check(features: Array, labels: NDArray[np.int64]) -> None:
    if features.ndim != 2 or len(features) != len(labels) or len(labels) < 3:
        raise ValueError(
            f"features {features.shape} for {len(labels)} labels; expected (items, width), at least 3 items"
        )
