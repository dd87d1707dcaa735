"""Rows of the log for TensorBoard and its like, through Accelerate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker

from limbeck.errors import LimbeckError
from limbeck.training.callbacks import Callback, Progress
from limbeck.training.device import plain_accelerator


def make_accelerator(trackers: Sequence[str | GeneralTracker] = (), folder: Path | None = None) -> Accelerator:
    """One accelerator for what there is: CPU, a GPU, or the processes of a launcher.

    Args:
        trackers: Names that Accelerate knows (``"tensorboard"``), or trackers of one's own.
        folder: Where trackers write.

    Raises:
        LimbeckError: A tracker is not known, or its package not installed.
    """
    # Accelerate does not see processes on CPUs unless it is told that there is nothing else.
    cpu = not torch.accelerator.is_available()
    try:
        accelerator = plain_accelerator(cpu=cpu, trackers=trackers, folder=folder)
    except ValueError as error:
        raise LimbeckError(f"trackers: {error}") from None
    if len(accelerator.log_with) != len(trackers):
        found = {str(tracker) for tracker in accelerator.log_with}
        absent = [str(tracker) for tracker in trackers if str(tracker) not in found]
        raise LimbeckError(f"trackers: {', '.join(absent)}: the package is not installed")
    return accelerator


class Trackers(Callback):
    """Passes rows on to the accelerator's trackers.

    Args:
        accelerator: One that was made with trackers.
        name: The run's name there.
    """

    def __init__(self, accelerator: Accelerator, name: str) -> None:
        self.accelerator = accelerator
        self.name = name

    def on_start(self, progress: Progress) -> None:
        """Open the trackers, and tell them the plan."""
        plan = progress.plan.model_dump()
        told = {name: value if isinstance(value, int | float | str) else str(value) for name, value in plan.items()}
        self.accelerator.init_trackers(self.name, config=told)

    def on_log(self, progress: Progress, row: Mapping[str, float]) -> None:
        """Pass the row on."""
        self.accelerator.log(dict(row), step=progress.step)

    def on_validation(self, progress: Progress, row: Mapping[str, float]) -> None:
        """Pass the row on."""
        self.accelerator.log(dict(row), step=progress.step)

    def on_end(self, progress: Progress) -> None:
        """Close the trackers; the processes stay connected for what comes after."""
        for tracker in self.accelerator.trackers:
            tracker.finish()
