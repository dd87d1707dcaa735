"""Accuracy on words whose translation the source text leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.errors import LimbeckError
from limbeck.evaluation.base import Metric, Statistics, check_pairs, divide


@dataclass(frozen=True)
class Ambiguity:
    """One ambiguous word of one item: what its translation may be, and what it must not be.

    Args:
        expected: Forms that are right, inflected ones included; a form may be of several words.
        rejected: Forms of the word's other senses.

    Raises:
        LimbeckError: No form is expected, a form is empty, or a form is both expected and rejected.
    """

    expected: tuple[str, ...]
    rejected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.expected:
            raise LimbeckError("an ambiguous word without an expected form can never be right")
        if blank := [form for form in (*self.expected, *self.rejected) if not form.strip()]:
            raise LimbeckError(f"a form of an ambiguous word is empty: {blank[0]!r}")
        if both := {_padded(form) for form in self.expected} & {_padded(form) for form in self.rejected}:
            raise LimbeckError(f"forms both expected and rejected: {', '.join(sorted(form.strip() for form in both))}")

    def is_resolved(self, hypothesis: str) -> bool:
        """Whether the hypothesis has an expected form and no rejected one, as whole tokens in lower case.

        Example:
            >>> bank = Ambiguity(expected=("ufer",), rejected=("bank", "bänke"))
            >>> bank.is_resolved("Ein Boot am Ufer ."), bank.is_resolved("Eine Bank am Ufer ."), bank.is_resolved("")
            (True, False, False)
        """
        padded = _padded(hypothesis)
        return any(_padded(form) in padded for form in self.expected) and not any(
            _padded(form) in padded for form in self.rejected
        )


@dataclass(frozen=True)
class AmbiguityAccuracy(Metric):
    """The share of ambiguous words that are translated by the right sense, in percent.

    Items without an ambiguous word are not counted, and neither help nor hurt. Hypotheses are taken as tokenised:
    a form stands between spaces or at an end.

    Args:
        title: The metric's name.

    Example:
        >>> metric = AmbiguityAccuracy()
        >>> crane = Ambiguity(expected=("kran",), rejected=("kranich",))
        >>> metric.score(metric.statistics(["ein kran", "ein kranich", "ein hund"], [crane, crane, None]))
        50.0
    """

    title: str = "ambiguity"

    @property
    def name(self) -> str:
        """The title."""
        return self.title

    @property
    def signature(self) -> str:
        """How a hypothesis is judged."""
        return "expected-and-no-rejected|case:lc|tok:none"

    def statistics(self, hypotheses: Sequence[str], items: Sequence[Ambiguity | None]) -> Statistics:
        """``(right, counted)`` for each item.

        Args:
            hypotheses: Tokenised translations, one an item.
            items: The ambiguous word of each item; ``None`` where there is none.

        Raises:
            LimbeckError: The two differ in length, or there are no items.
        """
        check_pairs(hypotheses, items)
        rows = [
            (0.0, 0.0) if item is None else (float(item.is_resolved(hypothesis)), 1.0)
            for hypothesis, item in zip(hypotheses, items, strict=True)
        ]
        return np.asarray(rows, dtype=np.float64)

    def aggregate(self, sums: Statistics) -> Statistics:
        """Percent right, from ``(right, counted)``."""
        return 100 * divide(sums[..., 0], sums[..., 1])


def _padded(text: str) -> str:
    """Tokens in lower case between single spaces, so that a substring test only finds whole tokens."""
    return f" {' '.join(text.lower().split())} "
