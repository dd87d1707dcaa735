"""The metrics: sacrebleu's three, means, and exact match."""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import LimbeckError
from limbeck.evaluation.base import Metric, Statistics, TextMetric, check_pairs, divide

__all__ = ["BLEU", "TER", "TOKENIZERS", "Accuracy", "ChrF", "Mean", "Metric", "Statistics", "TextMetric"]

TOKENIZERS = ("13a", "intl", "zh", "char", "none")
"""Sacrebleu's tokenisers that need neither a download nor another package."""


class _Sacre(TextMetric):
    """What the three metrics of sacrebleu share: it tokenises and counts, only the last step is vectorised here."""

    @abc.abstractmethod
    def _scorer(self) -> Any:
        """The sacrebleu metric with these settings."""

    @property
    def signature(self) -> str:
        """The signature that sacrebleu itself prints."""
        scorer = self._scorer()
        # sacrebleu only knows its signature once it has seen how many references there are.
        scorer.corpus_score(["a"], [["a"]])
        return str(scorer.get_signature())

    def statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
        """One row for each pair, ``(items, k)``, as sacrebleu counts it."""
        check_pairs(hypotheses, references)
        counted = self._scorer()._extract_corpus_statistics(list(hypotheses), [list(references)])
        return np.asarray(counted, dtype=np.float64)


@dataclass(frozen=True)
class BLEU(_Sacre):
    """Corpus BLEU of up to 4-grams, by sacrebleu, with its default exponential smoothing.

    The tokenised lower-cased BLEU of papers whose output is already tokenised is
    ``BLEU(lowercase=True, tokenize="none")``; it is not comparable with the default.

    Args:
        lowercase: Lower-case both sides first.
        tokenize: One of :data:`TOKENIZERS`.

    Reference:
        Papineni et al. 2002; Post 2018, "A Call for Clarity in Reporting BLEU Scores".

    Example:
        >>> bleu = BLEU()
        >>> round(bleu.score(bleu.statistics(["a small dog runs home"], ["a small dog runs home"])), 2)
        100.0
        >>> bleu.signature.split("|v")[0]
        'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp'
    """

    lowercase: bool = False
    tokenize: str = "13a"

    @property
    def name(self) -> str:
        """``BLEU``."""
        return "BLEU"

    def _scorer(self) -> Any:
        return _bleu(self.lowercase, self.tokenize)

    def aggregate(self, sums: Statistics) -> Statistics:
        """BLEU in points, from ``(hypothesis length, reference length, matches of 4 orders, n-grams of 4 orders)``."""
        hypothesis, reference = sums[..., 0], sums[..., 1]
        correct, total = sums[..., 2:6], sums[..., 6:10]
        # Exponential smoothing: the j-th order without a match counts as 1 / 2^j matches.
        misses = np.cumsum((correct == 0) & (total > 0), axis=-1)
        precision = divide(np.where(correct > 0, correct, 0.5**misses), total)
        with np.errstate(divide="ignore", over="ignore"):
            brevity = np.where(
                hypothesis < reference, np.exp(1 - reference / np.maximum(hypothesis, np.finfo(float).tiny)), 1.0
            )
            geometric = np.exp(np.log(precision).mean(axis=-1))
        return np.where(correct.any(axis=-1), 100 * brevity * geometric, 0.0)


@dataclass(frozen=True)
class ChrF(_Sacre):
    """chrF2 of up to 6 characters, by sacrebleu.

    Args:
        lowercase: Lower-case both sides first.
        word_order: Word n-grams beside the characters; 2 is chrF++.

    Reference:
        Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation".
    """

    lowercase: bool = False
    word_order: int = 0

    @property
    def name(self) -> str:
        """``chrF`` with a plus for each word order."""
        return "chrF" + "+" * self.word_order

    def _scorer(self) -> Any:
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(lowercase=self.lowercase, word_order=self.word_order)

    def aggregate(self, sums: Statistics) -> Statistics:
        """ChrF in points, from ``(hypothesis, reference, matched)`` n-gram counts of each order."""
        counts = sums.reshape(*sums.shape[:-1], -1, 3)
        hypothesis, reference, match = counts[..., 0], counts[..., 1], counts[..., 2]
        seen = (hypothesis > 0) & (reference > 0)
        orders = seen.sum(axis=-1).astype(np.float64)
        precision = divide(np.where(seen, divide(match, hypothesis), 0.0).sum(axis=-1), orders)
        recall = divide(np.where(seen, divide(match, reference), 0.0).sum(axis=-1), orders)
        return 100 * divide((1 + 2**2) * precision * recall, 2**2 * precision + recall)


@dataclass(frozen=True)
class TER(_Sacre):
    """Translation edit rate, by sacrebleu; fewer edits are better.

    Args:
        lowercase: Lower-case both sides first, which is also sacrebleu's default.

    Reference:
        Snover et al. 2006, "A Study of Translation Edit Rate with Targeted Human Annotation".
    """

    lowercase: bool = True

    @property
    def name(self) -> str:
        """``TER``."""
        return "TER"

    @property
    def higher_is_better(self) -> bool:
        """Edits are errors."""
        return False

    def _scorer(self) -> Any:
        from sacrebleu.metrics.ter import TER as Scorer

        return Scorer(case_sensitive=not self.lowercase)

    def aggregate(self, sums: Statistics) -> Statistics:
        """TER in points, from ``(edits, reference length)``; 100 where there are edits but no reference words."""
        edits, length = sums[..., 0], sums[..., 1]
        return 100 * np.where(length > 0, divide(edits, length), (edits > 0).astype(np.float64))


@dataclass(frozen=True)
class Mean(Metric):
    """A plain mean over the items that count: any number an item has.

    Args:
        title: The metric's name.
        scale: What the mean is multiplied with: 100 makes points of fractions.
        lower_is_better: True for losses and errors.

    Example:
        >>> loss = Mean("loss", lower_is_better=True)
        >>> loss.score(loss.of([1.0, 2.0, 6.0]))
        3.0
    """

    title: str
    scale: float = 1.0
    lower_is_better: bool = False

    @property
    def name(self) -> str:
        """The title."""
        return self.title

    @property
    def higher_is_better(self) -> bool:
        """As it was said."""
        return not self.lower_is_better

    @property
    def signature(self) -> str:
        """``mean`` and its scale."""
        return f"mean|scale:{self.scale:g}"

    def of(self, values: Sequence[float] | NDArray[Any], counted: Sequence[float] | None = None) -> Statistics:
        """Statistics ``(value, 1)`` for each item.

        Args:
            values: One number an item, ``(items,)``.
            counted: How much each item counts; 0 leaves it out, whatever its value. All count 1 by default.
        """
        weights = np.ones(len(values)) if counted is None else np.asarray(counted, dtype=np.float64)
        numbers = np.asarray(values, dtype=np.float64)
        return np.stack([np.where(weights > 0, numbers * weights, 0.0), weights], axis=-1)

    def aggregate(self, sums: Statistics) -> Statistics:
        """The scaled mean, from ``(sum, count)``."""
        return self.scale * divide(sums[..., 0], sums[..., 1])


@dataclass(frozen=True)
class Accuracy(TextMetric):
    """The share of items that are exactly right, in percent.

    Args:
        title: The metric's name.

    Example:
        >>> accuracy = Accuracy()
        >>> accuracy.score(accuracy.statistics(["cat", "dog"], ["cat", "cow"]))
        50.0
    """

    title: str = "accuracy"

    @property
    def name(self) -> str:
        """The title."""
        return self.title

    @property
    def signature(self) -> str:
        """``exact-match``."""
        return "exact-match"

    def statistics(self, hypotheses: Sequence[Any], references: Sequence[Any]) -> Statistics:
        """``(right, 1)`` for each pair; anything that can be compared with ``==`` will do."""
        check_pairs(hypotheses, references)
        right = [float(bool(a == b)) for a, b in zip(hypotheses, references, strict=True)]
        return np.stack([np.asarray(right), np.ones(len(right))], axis=-1)

    def aggregate(self, sums: Statistics) -> Statistics:
        """Percent right, from ``(right, counted)``."""
        return 100 * divide(sums[..., 0], sums[..., 1])


@functools.cache
def _bleu(lowercase: bool, tokenize: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU as Scorer

    if tokenize not in TOKENIZERS:
        raise LimbeckError(f"unknown tokenizer {tokenize!r}; possible: {', '.join(TOKENIZERS)}")
    # `force` silences a warning on data that is tokenised on purpose; it changes no count.
    return Scorer(lowercase=lowercase, tokenize=tokenize, force=True)
