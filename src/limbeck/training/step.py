"""The gradient of one optimiser step, however its batches are split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import TrainingError, near_matches
from limbeck.training.task import Task


class StepGradient:
    """Accumulates the gradient of ``sum over names of weight * total / count``.

    Totals and counts are sums over all batches and processes of the step. Terms are linear in their totals, so each
    batch can go backward by itself once the counts of the whole step are known: from the forward pass where the step
    is one batch, from :meth:`~limbeck.training.task.Task.counts` where it is several.

    Args:
        task: The bare task.
        wrapped: The task as Accelerate wrapped it: this is what is called.
        accelerator: Says how many processes there are, and adds over them.
        precision: ``"fp32"`` or ``"bf16"``.

    Attributes:
        names: The names of the terms, in the order of the first forward pass.
    """

    def __init__(self, task: Task, wrapped: nn.Module, accelerator: Accelerator, precision: str) -> None:
        self.task = task
        self.wrapped = wrapped
        self.accelerator = accelerator
        self.precision = precision
        self.names: tuple[str, ...] = ()
        wide = any(value.dtype == torch.float64 for value in task.parameters())
        self.dtype = torch.float64 if wide else torch.float32

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        """Add the gradient of one optimiser step to the parameters.

        Args:
            batches: This process's batches of the step, on the device.

        Returns:
            What the log needs of this process, on the device, unread: the total of each term, its count, and the
            count that was declared beforehand. Shape ``(3 * terms,)``.

        Raises:
            TrainingError: The terms are not those that the weights name, or change between batches.
        """
        with self.autocast():
            batches = [self.task.draw(batch) for batch in batches]
        declared = self._declared_counts(batches) if len(batches) > 1 else None
        scales = None if declared is None else self._scales(declared)
        totals, counts = [], []
        for number, batch in enumerate(batches, start=1):
            with self._sync(number == len(batches)):
                with self.autocast():
                    terms = self.wrapped(batch)
                self._check_names(terms)
                total = [terms[name].total.to(self.dtype) for name in self.names]
                count = torch.stack([terms[name].count.detach().to(total[0]) for name in self.names])
                self._backward(total, self._scales(count) if scales is None else scales)
            totals.append(torch.stack([value.detach() for value in total]))
            counts.append(count)
        seen = _add(counts)
        return torch.cat([_add(totals), seen, seen if declared is None else declared])

    def autocast(self) -> torch.autocast:
        """The precision of the forward pass."""
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def _backward(self, totals: list[Tensor], scales: Tensor) -> None:
        loss = torch.zeros_like(totals[0])
        for name, total, scale in zip(self.names, totals, scales.unbind(), strict=True):
            if name in self.task.weights:
                loss = loss + total * (scale * self.task.weights[name])
        if not loss.requires_grad:
            raise TrainingError(f"no parameter that learns has a part in the weighted terms: {_listed(self.names)}")
        self.accelerator.backward(loss)

    def _scales(self, counts: Tensor) -> Tensor:
        """One over the counts of all processes, times what undoes DDP's averaging; 0 for a term over nothing."""
        counts = self.accelerator.reduce(counts, reduction="sum") if self.accelerator.num_processes > 1 else counts
        return torch.where(counts > 0, self.accelerator.num_processes / counts, torch.zeros_like(counts))

    def _declared_counts(self, batches: Sequence[Batch]) -> Tensor:
        declared = []
        for batch in batches:
            with self.autocast():
                counts = self.task.counts(batch)
            self._check_names(counts)
            device = self.accelerator.device
            declared.append(
                torch.stack([counts[name].to(device=device, dtype=self.dtype).detach() for name in self.names])
            )
        return _add(declared)

    def _check_names(self, terms: dict[str, Any]) -> None:
        if not self.names:
            for name in self.task.weights:
                if name not in terms:
                    raise TrainingError(
                        f"the task weighs a term {name!r} that its forward does not give; " + near_matches(name, terms)
                    )
            if not self.task.weights:
                raise TrainingError(f"the task weighs no term; its forward gives {_listed(terms)}")
            self.names = tuple(terms)
        if terms.keys() != set(self.names):
            raise TrainingError(
                f"the terms change between batches: {_listed(self.names)} before, now {_listed(terms)}; "
                "a term that has nothing to count is given as a sum of 0 over a count of 0"
            )

    def _sync(self, last: bool) -> AbstractContextManager[Any]:
        """DDP adds gradients over processes in the last batch of a step only."""
        return nullcontext() if last else self.accelerator.no_sync(self.wrapped)


def _add(values: Sequence[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(list(values)).sum(dim=0)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
