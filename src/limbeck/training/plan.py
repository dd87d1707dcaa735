"""How a task is trained: everything that decides the weights, and nothing else."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from limbeck.settings import Settings
from limbeck.training.schedule import Schedule

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class Plan(Settings):
    """How a task is trained, by AdamW.

    Args:
        lr: The learning rate at its peak.
        betas: AdamW's decay rates.
        eps: AdamW's epsilon.
        weight_decay: Decoupled decay of the weights that have two or more axes; biases and norms do not decay.
        warmup: Steps over which the rate rises from 0 to ``lr``.
        schedule: What the rate does after the warm-up (:mod:`limbeck.training.schedule`).
        min_lr: The rate does not fall below this after the warm-up.
        max_steps: Optimiser steps at most. One of ``max_steps`` and ``epochs`` must be given; the first that is
            reached ends the run.
        epochs: Passes over the loader at most.
        accumulate: Batches (a process) whose sums and counts make one optimiser step.
        clip: The greatest global norm of the gradient; None leaves it as it is.
        precision: ``"bf16"`` runs the forward pass under autocast; weights and optimiser stay in fp32.
        seed: Decides the order of batches, dropout and all else that is random, afresh for each epoch.
        validate_every: ``"epoch"``, or a number of steps.
        patience: Stop after so many validations without improvement; None never stops early.
        monitor: What decides which weights are best: ``"loss"`` (of the validation loader), a term of the
            validation loader, or a metric that ``validate`` gives.
        mode: Whether the best ``monitor`` is its ``"min"`` or its ``"max"``.
        restore_best: Leave the best weights in the task at the end, not the last.
        average_last: Leave the mean weights of the last so many epochs in the task at the end; 0 is off.
        save_every: Steps between checkpoints within an epoch; None saves at the ends of epochs only.
        keep_last: How many checkpoints to keep, beside the best and those still to be averaged.
        log_every: Steps between rows of the log.
        fused: Use the fused AdamW where there is one.

    Raises:
        LimbeckError: A key is unknown, or a value is not possible.

    Example:
        >>> Plan(lr=1e-3, epochs=3).steps_in_all(batches=100)
        300
        >>> Plan(lr=1e-3, epochs=3, max_steps=40, accumulate=4).steps_in_all(batches=100)
        40
        >>> Plan(lr=-1, epochs=3)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: Plan.lr: got -1, should be greater than 0
    """

    lr: float = Field(gt=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: Count = 0
    schedule: Schedule = "constant"
    min_lr: float = Field(default=0.0, ge=0)
    max_steps: Positive | None = None
    epochs: Positive | None = None
    accumulate: Positive = 1
    clip: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: Count = 0
    validate_every: Literal["epoch"] | Positive = "epoch"
    patience: Positive | None = None
    monitor: str = "loss"
    mode: Literal["min", "max"] = "min"
    restore_best: bool = False
    average_last: Count = 0
    save_every: Positive | None = None
    keep_last: Positive = 1
    log_every: Positive = 50
    fused: bool = True

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.max_steps is None and self.epochs is None:
            raise ValueError("one of 'max_steps' and 'epochs' must be given")
        if self.restore_best and self.average_last:
            raise ValueError("'restore_best' and 'average_last' exclude one another: only one can be left in the task")
        if self.min_lr > self.lr:
            raise ValueError(f"'min_lr' ({self.min_lr}) is greater than 'lr' ({self.lr})")
        return self

    def steps_in_all(self, batches: int | None) -> int | None:
        """How many optimiser steps the plan takes.

        Args:
            batches: Batches of one epoch for one process; None where the loader cannot tell.

        Returns:
            The number of steps; None where it cannot be known.
        """
        if self.epochs is None or batches is None:
            return self.max_steps
        by_epochs = self.epochs * math.ceil(batches / self.accumulate)
        return by_epochs if self.max_steps is None else min(by_epochs, self.max_steps)
