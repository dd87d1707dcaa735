"""Score texts by several metrics at once, alone or against a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limbeck.errors import LimbeckError
from limbeck.evaluation.base import TextMetric
from limbeck.evaluation.bootstrap import Comparison, Interval, interval, paired_bootstrap
from limbeck.evaluation.meteor import Meteor
from limbeck.evaluation.metrics import BLEU, TER, ChrF


@dataclass(frozen=True)
class Evaluation:
    """One metric's word on some text.

    Args:
        metric: The metric.
        interval: The score with its interval.
        comparison: With the baseline, where there is one.
    """

    metric: TextMetric
    interval: Interval
    comparison: Comparison | None = None


def text_metrics(*, lowercase: bool = False, tokenize: str = "13a", language: str = "") -> list[TextMetric]:
    """The metrics that a translation is scored by.

    Args:
        lowercase: Lower-case both sides first, for BLEU and chrF; TER and METEOR always do.
        tokenize: BLEU's tokeniser; METEOR knows ``"13a"`` and ``"none"``.
        language: Of the references, as METEOR needs it; without one there is no METEOR.

    Raises:
        LimbeckError: The tokeniser or the language is unknown.

    Example:
        >>> [metric.name for metric in text_metrics(language="de")]
        ['BLEU', 'chrF', 'TER', 'METEOR-exact-stem']
    """
    metrics: list[TextMetric] = [BLEU(lowercase, tokenize), ChrF(lowercase), TER()]
    if language:
        metrics.append(Meteor(language, "none" if tokenize == "none" else "13a"))
    return metrics


def evaluate_texts(
    metrics: Sequence[TextMetric],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    baseline: Sequence[str] | None = None,
    samples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Evaluation]:
    """Score hypotheses, and compare them with a baseline's where there is one.

    Args:
        metrics: Decides what is counted.
        hypotheses: What the system said.
        references: What it should have said.
        baseline: What another system said of the same items.
        samples: Bootstrap resamples.
        seed: Of the bootstrap.
        level: Of the intervals.

    Raises:
        LimbeckError: The texts differ in length, or there are none.

    Example:
        >>> found = evaluate_texts([BLEU()], ["a small red dog"], ["a small red dog"], baseline=["a small red cat"])
        >>> found[0].comparison.difference > 0
        True
    """
    found = []
    for metric in metrics:
        statistics = metric.statistics(hypotheses, references)
        compared = None
        if baseline is not None:
            if len(baseline) != len(hypotheses):
                raise LimbeckError(f"{len(hypotheses)} hypotheses, but {len(baseline)} of the baseline")
            other = metric.statistics(baseline, references)
            compared = paired_bootstrap(metric, statistics, other, samples=samples, seed=seed, level=level)
        score = interval(metric, statistics, samples=samples, seed=seed, level=level)
        found.append(Evaluation(metric, score, compared))
    return found
