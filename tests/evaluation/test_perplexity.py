"""Ratios of perplexities."""

from __future__ import annotations

import numpy as np
import pytest

from limbeck.evaluation.base import Metric
from limbeck.evaluation.perplexity import PerplexityRatio

STUDENT, TEACHER, WORDS, DOMAINS = [3.0, 4.0, 9.0], [2.0, 2.0, 9.0], [2, 4, 3], [0, 0, 1]


def test_words_of_a_domain_count_alike_and_domains_do() -> None:
    first = np.exp((3.0 + 4.0) / 6 - (2.0 + 2.0) / 6)
    for worst, expected in ((False, (first + 1.0) / 2), (True, first)):
        metric = PerplexityRatio(domains=2, worst=worst)
        assert metric.score(metric.statistics(STUDENT, TEACHER, WORDS, DOMAINS)) == pytest.approx(expected)


def test_many_sums_at_once_and_from_json() -> None:
    metric = PerplexityRatio("ratio", domains=2)
    sums = metric.statistics(STUDENT, TEACHER, WORDS, DOMAINS).sum(0)
    many = metric.aggregate(np.stack([[sums, 2 * sums]] * 3))
    assert many.shape == (3, 2)
    assert np.allclose(many, metric.aggregate(sums))
    assert Metric.from_json(metric.to_json()) == metric
