"""What happened in the steps since the last row of the log, read from the device once a row."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor

from limbeck.errors import TrainingError


class Meter:
    """Keeps one small tensor a step on the device, unread, so that no step waits for the device.

    Args:
        accelerator: Adds over processes.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.rows: list[Tensor] = []
        self.since = time.perf_counter()

    def add(self, sums: Tensor, norm: Tensor) -> None:
        """Note one optimiser step.

        Args:
            sums: What :class:`~limbeck.training.step.StepGradient` gave.
            norm: The gradient's norm before clipping, shape ``()``.
        """
        self.rows.append(torch.cat([sums, norm.detach().to(sums).reshape(1)]))

    def read(self, step: int, names: tuple[str, ...], weights: Mapping[str, float]) -> dict[str, float]:
        """Sum up the steps since the last reading, and forget them.

        Args:
            step: The number of the last step that was noted.
            names: The terms.
            weights: The task's weights.

        Returns:
            Each term's mean, ``loss``, ``grad_norm`` (the mean over the steps) and ``tokens_per_second`` (of what the
            first term counts); nothing where no step was noted.

        Raises:
            TrainingError: A term or the gradient is not finite, or counts are not those declared.
        """
        if not self.rows:
            return {}
        table = torch.stack(self.rows)
        if self.accelerator.num_processes > 1:
            table = self.accelerator.reduce(table, reduction="sum")
        rows: list[list[float]] = table.tolist()
        seconds = time.perf_counter() - self.since
        self.rows.clear()
        for number, row in enumerate(rows, start=step - len(rows) + 1):
            _check(row, names, number)
        terms = len(names)
        totals = [math.fsum(row[place] for row in rows) for place in range(terms)]
        counts = [math.fsum(row[terms + place] for row in rows) for place in range(terms)]
        means = {
            name: total / count if count else 0.0 for name, total, count in zip(names, totals, counts, strict=True)
        }
        norms = math.fsum(row[-1] for row in rows) / len(rows) / self.accelerator.num_processes
        return {
            "loss": math.fsum(weights[name] * mean for name, mean in means.items() if name in weights),
            **means,
            "grad_norm": norms,
            "tokens_per_second": counts[0] / max(seconds, 1e-9),
        }

    def start_clock(self) -> None:
        """Count the time for tokens a second from now on."""
        self.since = time.perf_counter()


def _check(row: list[float], names: tuple[str, ...], step: int) -> None:
    terms = len(names)
    for place, name in enumerate(names):
        total, seen, declared = row[place], row[terms + place], row[2 * terms + place]
        if not math.isfinite(total) or not math.isfinite(seen):
            raise TrainingError(f"step {step}: the term {name!r} is not finite: a sum of {total} over {seen}")
        if abs(seen - declared) > 1e-6 * max(abs(seen), 1.0):
            raise TrainingError(
                f"step {step}: the task declared a count of {declared:g} for the term {name!r}, and its forward pass "
                f"counted {seen:g}; its counts() and its forward() must agree"
            )
    if not math.isfinite(row[-1]):
        raise TrainingError(f"step {step}: the gradient is not finite (norm {row[-1]}), though every term is")
