"""Which validation was best so far, and when to stop waiting for a better one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass
class Best:
    """The best value of what the plan monitors.

    Args:
        mode: Whether the least or the greatest value is best.
        patience: How many validations without improvement end the run; None never does.
        value: The best value so far.
        step: The optimiser step at which it was seen.
        waited: Validations since then.

    Example:
        >>> best = Best(mode="max", patience=2)
        >>> [best.update(value, step) for step, value in enumerate([20.0, 21.0, 20.5, 21.0])]
        [True, True, False, False]
        >>> best.value, best.exhausted
        (21.0, True)
    """

    mode: Literal["min", "max"] = "min"
    patience: int | None = None
    value: float | None = None
    step: int | None = None
    waited: int = 0

    def update(self, value: float, step: int) -> bool:
        """Take in one validation; a value that is not finite is no improvement.

        Returns:
            Whether it is the best so far.
        """
        better = math.isfinite(value) and (
            self.value is None or (value < self.value if self.mode == "min" else value > self.value)
        )
        if better:
            self.value, self.step, self.waited = value, step, 0
        else:
            self.waited += 1
        return better

    @property
    def exhausted(self) -> bool:
        """Whether the patience has run out."""
        return self.patience is not None and self.waited >= self.patience
