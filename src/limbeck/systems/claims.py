"""A paper's statement as a comparison of two arms, and what the numbers say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from limbeck.evaluation.bootstrap import Comparison

Verdict = Literal["holds", "fails", "open"]


@dataclass(frozen=True)
class Claim:
    """A statement that can fail: an arm is better than a baseline by more than a margin.

    Args:
        text: The statement as a reader would say it.
        arm: The arm that should be better.
        baseline: The arm that it should be better than.
        metric: The column that decides.
        margin: By how many points, in the metric's better direction. ``-3`` means "at most 3 points worse".
        scale: The baseline's score counts times this: with 0.2 the arm has at least 80 % less of what shall be low.
    """

    text: str
    arm: str
    baseline: str
    metric: str
    margin: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Args:
        claim: The statement.
        verdict: *holds* when the whole interval of the advantage lies above the margin, *fails* when none of it
            does, *open* otherwise.
        comparison: The numbers it rests on, as ``arm - scale * baseline`` whichever direction is better.
        advantage: How much better the arm is: the difference, with its sign turned where lower is better.
        low: Lower bound of the advantage.
        high: Upper bound of the advantage.
    """

    claim: Claim
    verdict: Verdict
    comparison: Comparison
    advantage: float
    low: float
    high: float


def judge(claim: Claim, comparison: Comparison, *, higher_is_better: bool = True) -> Judged:
    """The verdict on a claim.

    Args:
        claim: The statement.
        comparison: Of its arm (first) with its baseline (second), on its metric.
        higher_is_better: Of the metric.

    Example:
        >>> c = Comparison(70.0, 60.0, 10.0, 7.0, 13.0, 0.001, 0.95, 1000, 3)
        >>> [judge(Claim("", "a", "b", "accuracy", margin), c).verdict for margin in (0, 10, 13)]
        ['holds', 'open', 'fails']
        >>> judge(Claim("", "a", "b", "loss"), c, higher_is_better=False).verdict
        'fails'
    """
    if higher_is_better:
        advantage, low, high = comparison.difference, comparison.low, comparison.high
    else:
        advantage, low, high = -comparison.difference, -comparison.high, -comparison.low
    verdict: Verdict = "holds" if low > claim.margin else "fails" if high <= claim.margin else "open"
    return Judged(claim, verdict, comparison, advantage, low, high)
