"""Numbers as places on an axis, for drawings that a browser stretches to the width it has."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.ticker import MaxNLocator

LARGEST = 1e100
"""What can be drawn; a larger number, which is no result, would run over in the arithmetic of an axis."""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis.

    Args:
        at: Where, in percent of the axis.
        label: What stands there.
    """

    at: str
    label: str


@dataclass(frozen=True)
class Span:
    """A number with its interval, as places on an axis.

    Args:
        at: Where the number stands, in percent of the axis.
        low: Where the interval begins.
        high: Where it ends.
    """

    at: str
    low: str
    high: str


@dataclass(frozen=True)
class Axis:
    """A stretch of the number line.

    Args:
        low: Its lower end.
        high: Its upper end, above the lower one.

    Example:
        >>> axis = Axis(0.0, 80.0)
        >>> axis.at(20), [tick.label for tick in axis.ticks()]
        ('25', ['0', '20', '40', '60', '80'])
    """

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float], *, pad: float = 0.06) -> Axis:
        """The axis on which all values can be seen.

        Args:
            values: At least one; within :data:`LARGEST`.
            pad: How much is left free at either end, as a share of the axis.
        """
        known = list(values)
        low, high = min(known), max(known)
        free = pad * (high - low) if high > low else max(0.1 * abs(high), 0.5)
        return cls(low - free, high + free)

    def at(self, value: float) -> str:
        """Where a value lies, in percent, to two decimals."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * share:.2f}".rstrip("0").rstrip(".")

    def span(self, value: float, low: float, high: float) -> Span:
        """Where a number and its interval lie."""
        return Span(self.at(value), self.at(low), self.at(high))

    def ticks(self, most: int = 5) -> list[Tick]:
        """Round numbers on the axis.

        Args:
            most: How many parts they divide it into at most.
        """
        values = _locator(most).tick_values(self.low, self.high)
        # + 0.0: no minus before a zero
        return [Tick(self.at(value), f"{value + 0.0:g}") for value in values if self.low <= value <= self.high]


@functools.cache
def _locator(most: int) -> MaxNLocator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=most, steps=[1, 2, 5, 10])
