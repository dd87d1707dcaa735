"""Intervals and paired comparisons over items and seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import LimbeckError
from limbeck.evaluation.base import Metric, Statistics

_CHUNK = 4_000_000
"""Numbers in one chunk of resampling weights: 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A score and how far it can be trusted.

    Args:
        value: The score on the data as they are, in points; the mean over seeds.
        low: Lower bound.
        high: Upper bound.
        level: How much of the bootstrap distribution lies between the two.
        samples: How many resamples were drawn.
        seeds: How many seeds were run; with one, the interval says nothing about training again.
    """

    value: float
    low: float
    high: float
    level: float
    samples: int
    seeds: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Comparison:
    """The difference between two systems on the same items.

    Args:
        a: Score of the first system.
        b: Score of the second.
        difference: ``a - scale * b`` in points, whichever direction is better; the scale is 1 if nothing else is said.
        low: Lower bound of the difference.
        high: Upper bound of the difference.
        p_value: Two-sided: how often a difference at least this large would come up if there were none.
        level: How much of the bootstrap distribution lies between the two bounds.
        samples: How many resamples were drawn.
        seeds: How many seeds were run.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    p_value: float
    level: float
    samples: int
    seeds: int

    def __str__(self) -> str:
        return f"{self.difference:+.2f} [{self.low:+.2f}, {self.high:+.2f}], p = {self.p_value:.3f}"


def interval(
    metric: Metric, statistics: Statistics, *, samples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """A percentile interval for one system, over items and seeds as in :func:`paired_bootstrap`.

    Args:
        metric: Turns summed statistics into scores.
        statistics: ``(seeds, items, k)``, or ``(items, k)`` for a single run.
        samples: Resamples to draw.
        seed: Of the resampling, not of the training.
        level: Share of the bootstrap distribution inside the interval.

    Example:
        >>> from limbeck.evaluation.metrics import Accuracy
        >>> right = [[1.0, 1.0]] * 80 + [[0.0, 1.0]] * 20
        >>> interval(Accuracy(), np.array(right)).value
        80.0
    """
    runs = _runs(statistics)
    scores = metric.aggregate(runs.sum(axis=1))
    random = np.random.default_rng(seed)
    drawn = _resampled(metric, [runs], samples, random)[:, 0] + _seed_noise(scores, samples, random)
    low, high = _bounds(drawn, level)
    return Interval(float(scores.mean()), low, high, level, samples, len(runs))


def paired_bootstrap(
    metric: Metric,
    a: Statistics,
    b: Statistics,
    *,
    samples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    scale: float = 1.0,
) -> Comparison:
    """Compare two systems that were run with the same seeds on the same items.

    A system's score is the mean over its seeds of the metric over all items. Two things could have come out
    differently. Other *items*: a resample draws items with replacement, the same for both systems and all seeds, so
    that what makes an item hard for both cancels out. Other *seeds*: there are too few to resample (a nominal 95 %
    interval from three resampled seeds covers the truth 78 % of the time where the spread between seeds dominates),
    so each resample gets noise of Student's t with ``seeds - 1`` degrees of freedom, times the standard error over
    seeds of the paired difference, so that a seed that is lucky for both cancels out. This covers 93 to 98 % in
    simulations with 3 to 10 seeds.

    With two seeds the interval is honest and hardly of use; with one it speaks of this one training run only.

    Args:
        metric: Turns summed statistics into scores.
        a: Statistics of the first system, ``(seeds, items, k)`` or ``(items, k)``.
        b: Statistics of the second, with the same seeds and items in the same order.
        samples: Resamples to draw.
        seed: Of the resampling, not of the training.
        level: Share of the bootstrap distribution inside the interval.
        scale: The second system's scores count times this: with 0.2, an error of ``a`` below 0 is at least 80 % less
            than that of ``b``, and the interval has a fifth of the spread of ``b``.

    Raises:
        LimbeckError: The shapes differ, there are no items, or a number is not finite.

    Reference:
        Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation", for the items.

    Example:
        >>> from limbeck.evaluation.metrics import Accuracy
        >>> a = np.array([[1.0, 1.0]] * 90 + [[0.0, 1.0]] * 10)
        >>> comparison = paired_bootstrap(Accuracy(), a, a)
        >>> comparison.difference, comparison.p_value
        (0.0, 1.0)
    """
    first, second = _runs(a), _runs(b)
    if first.shape != second.shape:
        raise LimbeckError(
            f"paired systems need the same seeds and items: got (seeds, items, k) = {first.shape} and {second.shape}"
        )
    scores_a, scores_b = metric.aggregate(first.sum(axis=1)), metric.aggregate(second.sum(axis=1))
    by_seed = scores_a - scale * scores_b
    difference = float(by_seed.mean())
    random = np.random.default_rng(seed)
    drawn = _resampled(metric, [first, second], samples, random)
    differences = drawn[:, 0] - scale * drawn[:, 1] + _seed_noise(by_seed, samples, random)
    # Under no difference the distribution is the same one, centred on zero. The observed sample counts too.
    extreme = np.abs(differences - difference) >= abs(difference) - 1e-12
    p_value = (1 + int(extreme.sum())) / (samples + 1)
    low, high = _bounds(differences, level)
    return Comparison(
        float(scores_a.mean()), float(scores_b.mean()), difference, low, high, p_value, level, samples, len(first)
    )


def _runs(statistics: Statistics) -> Statistics:
    runs = np.asarray(statistics, dtype=np.float64)
    if runs.ndim == 2:
        runs = runs[None]
    if runs.ndim != 3 or 0 in runs.shape:
        raise LimbeckError(f"statistics must be (seeds, items, k) and not empty; got {runs.shape}")
    if not np.isfinite(runs).all():
        raise LimbeckError("statistics contain NaN or infinity")
    return runs


def _resampled(
    metric: Metric, systems: list[Statistics], samples: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Mean scores over seeds of all the systems on the same resampled items, ``(samples, systems)``."""
    if samples < 1:
        raise LimbeckError(f"a bootstrap needs at least one sample; got {samples}")
    seeds, items, width = systems[0].shape
    # One matrix product for all systems and seeds: (chunk, items) @ (items, systems * seeds * k).
    stacked = np.stack(systems).transpose(2, 0, 1, 3).reshape(items, -1)
    chunk = max(1, _CHUNK // items)
    means = []
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        sums = _counts(random, size, items) @ stacked
        means.append(metric.aggregate(sums.reshape(size, len(systems), seeds, width)).mean(axis=2))
    return np.concatenate(means)


def _seed_noise(scores: NDArray[np.float64], samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """How far the mean over seeds may be from that over all seeds there could be, ``(samples,)``."""
    seeds = len(scores)
    if seeds == 1:
        return np.zeros(samples)
    error = scores.std(ddof=1) / np.sqrt(seeds)
    return np.asarray(error * random.standard_t(seeds - 1, size=samples))


def _counts(random: np.random.Generator, samples: int, items: int) -> NDArray[np.float64]:
    """How often each item is drawn, ``(samples, items)``: multinomial, by counting draws with replacement."""
    drawn = random.integers(items, size=(samples, items)) + items * np.arange(samples)[:, None]
    return np.bincount(drawn.ravel(), minlength=samples * items).reshape(samples, items).astype(np.float64)


def _bounds(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise LimbeckError(f"the level of an interval lies between 0 and 1; got {level}")
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
