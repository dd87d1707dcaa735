"""nDCG and reciprocal rank against sums by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from limbeck.errors import LimbeckError
from limbeck.evaluation.ranking import ndcg, reciprocal_rank


def by_hand(scores: list[float], grades: list[int], k: int) -> float:
    def gain(order: list[int]) -> float:
        return sum((2 ** grades[i] - 1) / math.log2(rank + 2) for rank, i in enumerate(order[:k]))

    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    best = max(gain(list(other)) for other in itertools.permutations(range(len(scores))))
    return gain(order) / best if best else 0.0


def test_ndcg_against_sums_by_hand() -> None:
    random = np.random.default_rng(0)
    scores, grades = random.standard_normal((20, 5)), random.integers(0, 4, (20, 5))
    for k in (1, 3, 5, 10):
        expected = [by_hand(list(row), list(worth), k) for row, worth in zip(scores, grades, strict=True)]
        np.testing.assert_allclose(ndcg(scores, grades, k), expected)


def test_reciprocal_rank_ends_at_k() -> None:
    scores = np.array([[5.0, 4.0, 3.0]] * 3)
    relevant = np.array([[True, False, True], [False, False, True], [False, False, False]])
    assert reciprocal_rank(scores, relevant, 3).tolist() == [1.0, 1 / 3, 0.0]
    assert reciprocal_rank(scores, relevant, 2).tolist() == [1.0, 0.0, 0.0]


def test_who_says_the_same_of_all_is_ranked_last() -> None:
    same, grades = np.zeros((1, 4)), np.array([[3, 0, 0, 0]])
    assert reciprocal_rank(same, grades > 0).tolist() == [0.25]
    assert ndcg(same, grades, 3).tolist() == [0.0]


def test_wrong_arguments() -> None:
    with pytest.raises(LimbeckError, match=r"got \(1, 2\) and \(1, 3\)"):
        ndcg(np.zeros((1, 2)), np.zeros((1, 3)))
    with pytest.raises(LimbeckError, match="k must be positive, got 0"):
        reciprocal_rank(np.zeros((1, 2)), np.zeros((1, 2)), 0)
    with pytest.raises(LimbeckError, match="not finite"):
        ndcg(np.array([[np.nan, 1.0]]), np.zeros((1, 2)))
