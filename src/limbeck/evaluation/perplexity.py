"""How far a student trails its teacher, domain by domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck.evaluation.base import Metric, Statistics, divide


@dataclass(frozen=True)
class PerplexityRatio(Metric):
    """The student's perplexity over the teacher's, in the mean over domains or in the worst of them.

    Args:
        title: The metric's name.
        domains: How many there are.
        worst: Whether the worst domain decides, and not the mean over all.

    Example:
        >>> ratio = PerplexityRatio(domains=2)
        >>> ratio.score(ratio.statistics([2 * np.log(3), 0.0], [0.0, 0.0], [2, 5], [0, 1]))  # perplexities 3 and 1
        2.0
    """

    title: str = "perplexity ratio"
    domains: int = 1
    worst: bool = False

    @property
    def name(self) -> str:
        """The title."""
        return self.title

    @property
    def higher_is_better(self) -> bool:
        """It is an error."""
        return False

    @property
    def signature(self) -> str:
        """The domains, and what is made of them."""
        return f"perplexity-ratio|domains:{self.domains}|{'worst' if self.worst else 'mean'}"

    def statistics(
        self,
        student: Sequence[float] | NDArray[np.float64],
        teacher: Sequence[float] | NDArray[np.float64],
        words: Sequence[float] | NDArray[np.float64],
        domains: Sequence[int] | NDArray[np.int64],
    ) -> Statistics:
        """Three columns a domain: both sums and the words, in the columns of the item's domain.

        Args:
            student: Negative log-likelihood of each item, summed over its words, in nats.
            teacher: Likewise.
            words: How many there are.
            domains: Of each item, from 0.
        """
        rows = np.zeros((len(student), self.domains, 3))
        rows[np.arange(len(student)), np.asarray(domains)] = np.stack([student, teacher, words], axis=-1)
        return rows.reshape(len(student), -1)

    def aggregate(self, sums: Statistics) -> Statistics:
        """``exp`` of the difference of means, over domains."""
        parts = sums.reshape(*sums.shape[:-1], self.domains, 3)
        ratios = np.exp(divide(parts[..., 0] - parts[..., 1], parts[..., 2]))
        return np.asarray(ratios.max(-1) if self.worst else ratios.mean(-1))
