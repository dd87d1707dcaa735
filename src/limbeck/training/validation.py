"""The means of a task's terms on held-out batches, and whether they are what a plan monitors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import islice

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, send_to_device

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, TrainingError, near_matches
from limbeck.losses.term import Term, add_terms
from limbeck.training.seed import undisturbed_randomness
from limbeck.training.task import Task


@torch.no_grad()
def term_means(
    task: Task, loader: Iterable[Batch], accelerator: Accelerator, autocast: AbstractContextManager[object]
) -> dict[str, float]:
    """Evaluate the task on a loader that the processes share.

    The bare task is called: processes may have unequal numbers of batches, and there is no gradient to exchange.

    Args:
        task: In eval mode.
        loader: Held-out batches.
        accelerator: Gives the device and the processes.
        autocast: The precision.

    Returns:
        ``val/loss``, and ``val/<term>`` for each term, on every process.

    Raises:
        LimbeckError: The loader gives no batch.
    """
    sums: dict[str, Term] = {}
    for batch in islice(loader, accelerator.process_index, None, accelerator.num_processes):
        with autocast:
            terms = task(on_device(batch, accelerator))
        sums = add_terms([sums, {name: _wide(term) for name, term in terms.items()}])
    read = {name: (float(term.total), float(term.count)) for name, term in sums.items()}
    parts: Sequence[dict[str, tuple[float, float]]] = gather_object([read]) if accelerator.num_processes > 1 else [read]
    means = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        totals, counts = zip(*(part[name] for part in parts if name in part), strict=True)
        means[name] = sum(totals) / sum(counts) if sum(counts) else 0.0
    if not means:
        raise LimbeckError("the validation loader gives no batch")
    absent = [name for name in task.weights if name not in means]
    if absent:
        raise TrainingError(f"validation: the task weighs {absent[0]!r}, and its forward in eval mode does not give it")
    loss = sum(task.weights[name] * mean for name, mean in means.items() if name in task.weights)
    return {"val/loss": loss, **{f"val/{name}": mean for name, mean in means.items()}}


@torch.no_grad()
def check_monitor(
    wanted: str,
    task: Task,
    loader: Iterable[Batch],
    accelerator: Accelerator,
    autocast: AbstractContextManager[object],
) -> None:
    """Refuse to monitor what :func:`term_means` will not give, before anything is trained.

    Args:
        wanted: What the plan monitors.
        task: Its first held-out batch is looked at where its weights do not tell; it is left in its mode.
        loader: Held-out batches.
        accelerator: Gives the device.
        autocast: The precision.

    Raises:
        LimbeckError: The task has no such term.
    """
    known = {"loss", *task.weights}
    if wanted.removeprefix("val/") in known:
        return
    training = task.training
    task.eval()
    with undisturbed_randomness(), autocast:
        terms = [name for batch in islice(loader, 1) for name in task(on_device(batch, accelerator))]
    task.train(training)
    if terms and wanted.removeprefix("val/") not in terms:
        possible = dict.fromkeys(["loss", *task.weights, *terms])
        raise LimbeckError(f"Plan.monitor: no validation gives {wanted!r}; {near_matches(wanted, possible)}")


def on_device(batch: Batch, accelerator: Accelerator) -> Batch:
    """The batch on the accelerator's device."""
    if accelerator.device.type == "cpu":
        return batch
    moved: Batch = send_to_device(batch, accelerator.device, non_blocking=True)
    return moved


def _wide(term: Term) -> Term:
    return Term(term.total.double(), term.count.double())
