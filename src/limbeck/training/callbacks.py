"""Hooks into the loop, and where a run stands when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limbeck.training.plan import Plan
from limbeck.training.task import Task


@dataclass
class Progress:
    """Where a run stands.

    Args:
        task: What is trained; the bare module, on its device.
        plan: How.
        total: Optimiser steps in all; None where it cannot be known.
        step: Optimiser steps done.
        epoch: The epoch that is under way, from 0; at its end, the next.
        batch: Batches of that epoch that this process has had.
        seconds: Time spent, that before a resume included.
    """

    task: Task
    plan: Plan
    total: int | None
    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """The share of the training that is done, in ``[0, 1]``; 0 where its length cannot be known."""
        return self.step / self.total if self.total else 0.0


class Callback:
    """Is told what happens in a run, on every process; override what is needed.

    Example:
        >>> class Anneal(Callback):
        ...     def on_step(self, progress: Progress) -> None:
        ...         progress.task.weights["kl"] = 1 - progress.step / (progress.total or 1)
    """

    def on_start(self, progress: Progress) -> None:
        """Before the first step, after a checkpoint was loaded."""

    def on_step(self, progress: Progress) -> None:
        """Before each optimiser step; ``progress.step`` steps are done."""

    def on_log(self, progress: Progress, row: Mapping[str, float]) -> None:
        """After a row of the log: means since the row before."""

    def on_validation(self, progress: Progress, row: Mapping[str, float]) -> None:
        """After a validation."""

    def on_epoch(self, progress: Progress) -> None:
        """After an epoch, its validation and its checkpoint."""

    def on_checkpoint(self, progress: Progress, path: Path) -> None:
        """After a checkpoint was written."""

    def on_end(self, progress: Progress) -> None:
        """When the run is over, also by an exception."""


@dataclass
class History:
    """What a run left behind.

    Args:
        log: The rows of the log: ``step``, ``epoch``, ``lr``, ``loss``, each term's mean, ``grad_norm``,
            ``tokens_per_second``, ``seconds``.
        validations: The rows of the validations: ``step``, ``epoch``, ``val/loss``, ``val/<term>``, and metrics.
        steps: Optimiser steps done.
        epochs: Epochs completed.
        seconds: Time spent, that before a resume included.
        best_step: The step of the best validation; None without one.
        best_value: What was monitored, at that step.
        stopped: Why the run ended: ``"max_steps"``, ``"epochs"`` or ``"patience"``.
    """

    log: list[dict[str, Any]] = field(default_factory=list)
    validations: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    epochs: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_value: float | None = None
    stopped: str = ""
