"""How many kinds of things samples cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.evaluation.base import Metric, Statistics, divide


@dataclass(frozen=True)
class EffectiveModes(Metric):
    """The number of equally frequent modes that would be as varied as the samples: ``exp`` of the entropy of modes.

    A sample of no mode (what is no sentence at all) is not counted.

    Args:
        title: The metric's name.

    Example:
        >>> modes = EffectiveModes()
        >>> round(modes.score(modes.statistics(["a", "b", None, "a", "b"], ["a", "b", "c"])), 6)
        2.0
    """

    title: str = "modes"

    @property
    def name(self) -> str:
        """The title."""
        return self.title

    @property
    def signature(self) -> str:
        """``exp-entropy``."""
        return "exp-entropy"

    def statistics(self, modes: Sequence[str | None], names: Sequence[str]) -> Statistics:
        """One row a sample, with 1 in the column of its mode.

        Args:
            modes: Of each sample; None is of no mode.
            names: All modes.

        Raises:
            KeyError: A mode is not among the names.
        """
        columns = {name: column for column, name in enumerate(names)}
        rows = np.zeros((len(modes), len(names)))
        for row, mode in enumerate(modes):
            if mode is not None:
                rows[row, columns[mode]] = 1.0
        return rows

    def aggregate(self, sums: Statistics) -> Statistics:
        """``exp(-sum p log p)`` of the shares of the modes."""
        total = sums.sum(-1)
        shares = divide(sums, total[..., None])
        logs = np.log(np.where(shares > 0, shares, 1.0))
        return np.where(total > 0, np.exp(-(shares * logs).sum(-1)), 0.0)
