"""Metrics as sums: statistics an item, and one function from their sum to a score."""

from __future__ import annotations

import abc
import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import limbeck.evaluation
from limbeck.errors import LimbeckError

Statistics = NDArray[np.float64]
"""What a metric knows of each item, ``(items, k)``; sums of rows are sufficient for the score."""


class Metric(abc.ABC):
    """A score that depends on its items only through a sum of statistics.

    Corpus BLEU, chrF, TER, METEOR and an accuracy are all of this kind, so all go through the same bootstrap: a
    resample is a weighted sum of rows, and :meth:`aggregate` turns many such sums into many scores at once.

    Subclasses are frozen dataclasses: two metrics with the same settings are equal, and a metric can be written to
    JSON with :meth:`to_json` and read back with :meth:`from_json`. Scores are in points: percent for accuracies.
    """

    _known: ClassVar[dict[str, type[Metric]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Metric._known[cls.__name__] = cls

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What a column of a table is called."""

    @property
    def higher_is_better(self) -> bool:
        """False for errors and losses."""
        return True

    @property
    @abc.abstractmethod
    def signature(self) -> str:
        """Everything somebody needs to compute the same number again."""

    @abc.abstractmethod
    def aggregate(self, sums: Statistics) -> Statistics:
        """Scores from summed statistics.

        Args:
            sums: Sums over items, ``(..., k)``.

        Returns:
            One score for each sum, ``(...)``; 0 where nothing was counted.
        """

    def score(self, statistics: Statistics) -> float:
        """The score over all the items.

        Args:
            statistics: One row an item, ``(items, k)``.
        """
        return float(self.aggregate(np.asarray(statistics, dtype=np.float64).sum(axis=0)))

    def to_json(self) -> dict[str, Any]:
        """The metric's class name and settings."""
        settings: dict[str, Any] = dataclasses.asdict(self) if dataclasses.is_dataclass(self) else {}
        return {"metric": type(self).__name__, **settings}

    @staticmethod
    def from_json(written: Mapping[str, Any]) -> Metric:
        """The metric that :meth:`to_json` wrote.

        Raises:
            LimbeckError: The class is not known here; a metric of one's own has to be imported first.
        """
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in written.items()
            if name != "metric"
        }
        # Importing a module registers its metrics.
        for module in pkgutil.iter_modules(limbeck.evaluation.__path__, f"{limbeck.evaluation.__name__}."):
            importlib.import_module(module.name)
        try:
            return Metric._known[written["metric"]](**settings)
        except KeyError:
            raise LimbeckError(
                f"unknown metric {written.get('metric')!r}; known are {', '.join(sorted(Metric._known))}"
            ) from None


class TextMetric(Metric):
    """A metric that compares each hypothesis with one reference."""

    @abc.abstractmethod
    def statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
        """One row for each pair.

        Args:
            hypotheses: What the system said, one string an item.
            references: What it should have said, in the same order.

        Returns:
            The statistics, ``(items, k)``.

        Raises:
            LimbeckError: The two differ in length, or there are no items.
        """


def check_pairs(hypotheses: Sequence[object], references: Sequence[object]) -> None:
    """Refuse what would otherwise be scored silently wrong.

    Raises:
        LimbeckError: The two differ in length, or there are no items.
    """
    if len(hypotheses) != len(references):
        raise LimbeckError(f"{len(hypotheses)} hypotheses for {len(references)} references: each needs exactly one")
    if not hypotheses:
        raise LimbeckError("no hypotheses: a score over nothing is not a score")


def divide(numerator: Statistics, denominator: Statistics) -> Statistics:
    """The quotient, 0 where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    return np.divide(numerator, denominator, out=np.zeros(shape), where=denominator != 0)
