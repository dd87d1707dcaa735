"""The effective number of modes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from limbeck.evaluation.base import Metric
from limbeck.evaluation.modes import EffectiveModes

NAMES = ("a", "b", "c", "d")


def score(modes: list[str | None]) -> float:
    metric = EffectiveModes()
    return metric.score(metric.statistics(modes, NAMES))


def test_even_modes_count_each_and_uneven_ones_less() -> None:
    assert score(["a", "b", "c", "d"]) == pytest.approx(4)
    assert score(["a"] * 9) == pytest.approx(1)
    assert score(["a", "a", "a", "b"]) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


def test_what_is_of_no_mode_does_not_count() -> None:
    assert score(["a", None, "b", None]) == pytest.approx(2)
    assert score([None, None]) == 0.0


def test_many_sums_at_once_and_from_json() -> None:
    metric = EffectiveModes("kinds")
    sums = np.array([[[2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]])
    assert metric.aggregate(sums).tolist() == [[pytest.approx(2.0), 0.0]]
    assert Metric.from_json(metric.to_json()) == metric
