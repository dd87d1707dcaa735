"""What is told of one training among several."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from limbeck.training.callbacks import Callback, Progress

PATIENCE = 60.0
"""Seconds after which a training is long enough to be asked about."""


class JobLines(Callback):
    """One line a validation on standard error, with the job's name before it, once a training has taken a minute.

    Args:
        name: The job's.
        after: Seconds within which nothing is told.
    """

    def __init__(self, name: str, after: float = PATIENCE) -> None:
        self.name, self.after = name, after
        self.started = time.monotonic()
        self.loss = float("nan")

    def on_start(self, progress: Progress) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_log(self, progress: Progress, row: Mapping[str, float]) -> None:
        """Remember what the next line tells."""
        self.loss = row["loss"]

    def on_validation(self, progress: Progress, row: Mapping[str, float]) -> None:
        """Tell where it stands."""
        if time.monotonic() - self.started < self.after:
            return
        told = "  ".join(
            f"{name} {value:.4g}" for name, value in row.items() if name not in ("step", "epoch", "seconds")
        )
        steps = f"{progress.step}" if progress.total is None else f"{progress.step} of {progress.total}"
        print(f"{self.name}: step {steps}  loss {self.loss:.4g}  {told}", file=sys.stderr, flush=True)
