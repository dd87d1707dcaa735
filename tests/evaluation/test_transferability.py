"""Scores of features for a task, against scipy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from limbeck.evaluation.transferability import SCORES, Array, Score, cka, knn_accuracy, parc, spearman

stats = pytest.importorskip("scipy.stats")
RANDOM = np.random.default_rng(3)
LABELS = np.array([0, 2, 1, 0, 2, 1, 2, 0, 1, 0, 5])
FEATURES = RANDOM.normal(size=(11, 6)) + np.eye(6)[LABELS]
every_score = pytest.mark.parametrize("score", SCORES.values(), ids=list(SCORES))


def test_ranks_with_ties() -> None:
    first, second = RANDOM.integers(0, 4, (2, 50)).astype(float)
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert spearman(np.ones(5), np.arange(5.0)) == 0.0


def test_parc_over_pairs() -> None:
    hot = np.eye(6)[LABELS][:, [0, 1, 2, 5]]
    pairs = [(a, b) for a in range(11) for b in range(a)]
    ours, theirs = ([round(1 - np.corrcoef(side[a], side[b])[0, 1], 10) for a, b in pairs] for side in (FEATURES, hot))
    assert parc(FEATURES, LABELS) == pytest.approx(stats.spearmanr(ours, theirs).statistic, abs=1e-9)


def test_cka_by_the_items_products() -> None:
    centre = np.eye(11) - 1 / 11
    ours, theirs = centre @ FEATURES @ FEATURES.T @ centre, centre @ (LABELS[:, None] == LABELS[None]) @ centre
    expected = (ours * theirs).sum() / np.sqrt((ours**2).sum() * (theirs**2).sum())
    assert cka(FEATURES, LABELS) == pytest.approx(expected)
    turn, _ = np.linalg.qr(RANDOM.normal(size=(6, 6)))
    assert cka(7 * FEATURES @ turn + 3, LABELS) == pytest.approx(expected)


def test_neighbours_one_by_one() -> None:
    right = 0
    for item in range(11):
        near = sorted(
            (other for other in range(11) if other != item),
            key=lambda other: (
                -FEATURES[item] @ FEATURES[other] / np.linalg.norm(FEATURES[item]) / np.linalg.norm(FEATURES[other])
            ),
        )[:3]
        votes = [int(LABELS[one]) for one in near]
        right += max(votes, key=lambda label: (votes.count(label), -votes.index(label))) == LABELS[item]
    assert knn_accuracy(FEATURES, LABELS) == pytest.approx(right / 11)


@every_score
def test_features_that_are_the_classes_are_best_and_none_are_worst(score: Score) -> None:
    hot: Array = np.eye(6)[LABELS]
    assert score(hot, LABELS) > score(FEATURES, LABELS) > score(np.ones((11, 6)), LABELS) - 1e-12
    with pytest.raises(ValueError, match="at least 3 items"):
        score(hot[:2], LABELS[:2])


@every_score
def test_order_of_items_is_nothing(score: Score) -> None:
    order = RANDOM.permutation(11)
    assert score(FEATURES[order], LABELS[order]) == pytest.approx(score(FEATURES, LABELS))
