"""The one training loop."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from accelerate.utils import DistributedType, broadcast_object_list
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, near_matches
from limbeck.training.averaging import average_weights
from limbeck.training.best import Best
from limbeck.training.callbacks import Callback, History, Progress
from limbeck.training.device import check_bf16, check_plain
from limbeck.training.feed import batches_in_epoch, batches_of_epoch
from limbeck.training.meter import Meter
from limbeck.training.optimizer import adamw, learning_parameters
from limbeck.training.plan import Plan
from limbeck.training.progress import progress_display
from limbeck.training.resume import Keeper
from limbeck.training.run_folder import RunFolder
from limbeck.training.schedule import lr_factor
from limbeck.training.seed import RandomState, random_state, set_seed, undisturbed_randomness
from limbeck.training.step import StepGradient
from limbeck.training.task import Task
from limbeck.training.trackers import Trackers, make_accelerator
from limbeck.training.validation import check_monitor, on_device, term_means
from limbeck.training.weights import load_own_state, snapshot

Validate = Callable[[Task], Mapping[str, float]]


def fit(
    task: Task,
    loader: Iterable[Batch],
    plan: Plan,
    *,
    run: RunFolder | None = None,
    validate: Validate | None = None,
    validation_loader: Iterable[Batch] | None = None,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    accelerator: Accelerator | None = None,
    progress: bool = True,
    trackers: Sequence[str | GeneralTracker] = (),
) -> History:
    """Train a task.

    One optimiser step minimises ``sum over names of weight * total / count``, totals and counts added over the
    step's batches and over processes, so that the gradient does not depend on how a batch was split.

    Args:
        task: Anything whose forward gives named terms; its weights are changed in place.
        loader: A ``DataLoader``, or anything that gives batches each time it is iterated.
        plan: How to train.
        run: Where the log and the checkpoints go; None keeps them in memory.
        validate: Gives metrics of the task (in eval mode, without gradients), on every process; the main process's
            count.
        validation_loader: Held-out batches, for the means of the task's terms.
        callbacks: Told what happens.
        resume: Go on from the newest complete checkpoint of ``run``; start where there is none.
        accelerator: One made beforehand; by default one for what there is (CPU, a GPU, ``accelerate launch``).
        progress: Whether to show how far it is, on standard error.
        trackers: What Accelerate passes the log's rows on to, such as ``"tensorboard"``.

    Returns:
        What happened. The task is left with its last weights, in eval mode; with ``plan.restore_best`` the best, with
        ``plan.average_last`` the mean.

    Raises:
        LimbeckError: The arguments contradict one another, or a checkpoint does not fit them.
        TrainingError: A term or the gradient is not finite, or the terms are not those that the task weighs.

    Example:
        >>> from limbeck.losses.term import Term
        >>> class Line(Task):
        ...     def __init__(self) -> None:
        ...         super().__init__({"squares": 1.0})
        ...         self.slope = torch.nn.Parameter(torch.zeros(1))
        ...     def forward(self, batch: Batch) -> dict[str, Term]:
        ...         return {"squares": Term.over((self.slope * batch["x"] - batch["y"]) ** 2)}
        >>> line = Line()
        >>> batches = [{"x": torch.ones(4), "y": 3 * torch.ones(4)}]
        >>> history = fit(line, batches, Plan(lr=0.1, epochs=100), progress=False)
        >>> history.steps, round(line.slope.item(), 1)
        (100, 3.0)
    """
    if accelerator is None:
        accelerator = make_accelerator(trackers, None if run is None else run.path)
    elif trackers:
        raise LimbeckError("trackers: give them to the accelerator that is made beforehand")
    told: list[Callback] = [*callbacks]
    if accelerator.log_with:
        told.append(Trackers(accelerator, "limbeck" if run is None else run.path.name))
    if progress and accelerator.is_main_process:
        told.append(progress_display())
    loop = _Loop(task, loader, plan, run, validate, validation_loader, told, accelerator)
    return loop.run_all(resume=resume)


class _Loop:
    """The state of one call of :func:`fit`."""

    def __init__(
        self,
        task: Task,
        loader: Iterable[Batch],
        plan: Plan,
        run: RunFolder | None,
        validate: Validate | None,
        validation_loader: Iterable[Batch] | None,
        callbacks: Sequence[Callback],
        accelerator: Accelerator,
    ) -> None:
        if accelerator.distributed_type not in _SUPPORTED:
            raise LimbeckError(f"fit runs on one device or under DDP; got {accelerator.distributed_type.value}")
        check_plain(accelerator)
        launched = os.environ.get("WORLD_SIZE", "1")
        if accelerator.num_processes == 1 and launched not in ("", "1"):
            # Each would train alone, and all of them in one folder.
            raise LimbeckError(
                f"WORLD_SIZE says {launched} processes, and the accelerator knows of one; without GPUs make it by "
                "Accelerator(cpu=True), or set ACCELERATE_USE_CPU=true"
            )
        if validate is None and validation_loader is None and (plan.patience or plan.restore_best):
            raise LimbeckError("the plan's patience and restore_best need validate or validation_loader")
        self.loader, self.plan, self.run, self.accelerator = loader, plan, run, accelerator
        self.validate, self.validation_loader, self.callbacks = validate, validation_loader, callbacks
        total = plan.steps_in_all(batches_in_epoch(loader, accelerator.num_processes))
        if plan.schedule in ("linear", "cosine") and total is None:
            raise LimbeckError(f"the schedule {plan.schedule!r} needs max_steps: the loader does not tell its length")
        if plan.precision == "bf16":
            check_bf16(accelerator.device.type)
        set_seed(plan.seed)
        self.task = task.train()
        self.gradient = StepGradient(task, accelerator.prepare_model(task), accelerator, plan.precision)
        self.parameters = learning_parameters(task)
        self.optimizer = adamw(self.parameters, plan)
        self.meter = Meter(accelerator)
        self.at = Progress(task, plan, total)
        self.history = History()
        self.best = Best(plan.mode, plan.patience)
        self.best_weights: dict[str, Tensor] = {}
        self.last_weights: deque[dict[str, Tensor]] = deque(maxlen=plan.average_last)
        self.started = time.perf_counter()
        self.keeper = (
            None if run is None else Keeper(run, accelerator, self.optimizer, self.parameters, self.at, self.best)
        )

    def run_all(self, *, resume: bool) -> History:
        self._open(resume=resume)
        if self.at.step == 0 and self.validate is None and self.validation_loader is not None:
            # What `validate` gives is only known when it has been called.
            held, accelerator = self.validation_loader, self.accelerator
            check_monitor(self.plan.monitor, self.task, held, accelerator, self.gradient.autocast())
        self._tell("on_start")
        try:
            while not self.history.stopped:
                self._epoch()
            self._finish()
        finally:
            self._tell("on_end")
        return self.history

    def _open(self, *, resume: bool) -> None:
        if self.run is None or self.keeper is None:
            if resume:
                raise LimbeckError("resume needs the folder of the run")
            return
        if resume:
            self.history.stopped = self.keeper.restore()
            self.started -= self.at.seconds
            for row in self.run.rows():
                (self.history.log if "lr" in row else self.history.validations).append(row)
        elif any(self.run.checkpoints.iterdir()):
            raise LimbeckError(f"{self.run.checkpoints}: there are checkpoints already; resume, or take another folder")

    def _epoch(self) -> None:
        plan, at = self.plan, self.at
        share = {"rank": self.accelerator.process_index, "world": self.accelerator.num_processes}
        batches = batches_of_epoch(self.loader, at.epoch, seed=plan.seed, skip=at.batch, **share)
        if self.keeper is not None:
            self.keeper.restore_randomness()
        self.meter.start_clock()
        group = list(islice(batches, plan.accumulate))
        while group:
            self._tell("on_step")
            self._step([on_device(batch, self.accelerator) for batch in group])
            at.batch += len(group)
            if at.step == plan.max_steps:
                self.history.stopped = "max_steps"
            if at.step % plan.log_every == 0:
                self._log()
            improved = plan.validate_every != "epoch" and at.step % plan.validate_every == 0 and self._validate()
            if self.history.stopped:
                break
            due = improved or (plan.save_every and at.step % plan.save_every == 0)
            before = random_state() if due else None
            group = list(islice(batches, plan.accumulate))
            # An epoch's last step is saved at the epoch's end, after a validation, which may move state.
            if before is not None and group:
                self._save(before)
        if not at.batch:
            raise LimbeckError(
                f"the loader gives no batch in epoch {at.epoch + 1}; it must have at least one a process, "
                "and be something that can be iterated again (not a generator)"
            )
        self._end_epoch()

    def _step(self, batches: Sequence[Batch]) -> None:
        plan, at = self.plan, self.at
        factor = lr_factor(
            at.step + 1, schedule=plan.schedule, warmup=plan.warmup, total=at.total, floor=plan.min_lr / plan.lr
        )
        for group in self.optimizer.param_groups:
            group["lr"] = plan.lr * factor
        sums = self.gradient(batches)
        # Without a limit this measures the norm and leaves the gradient as it is.
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), plan.clip or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.meter.add(sums, norm)
        at.step += 1

    def _end_epoch(self) -> None:
        plan, at = self.plan, self.at
        if not self.history.stopped:
            at.epoch, at.batch = at.epoch + 1, 0
            if at.epoch == plan.epochs:
                self.history.stopped = "epochs"
        self._log()
        validated_here = bool(self.history.validations) and self.history.validations[-1]["step"] == at.step
        if (plan.validate_every == "epoch" or self.history.stopped) and not validated_here:
            self._validate()
        self._save(random_state(), epoch_end=True)
        self._tell("on_epoch")

    def _save(self, randomness: RandomState, *, epoch_end: bool = False) -> None:
        self._log()
        if self.keeper is not None:
            self.at.seconds = time.perf_counter() - self.started
            path = self.keeper.save(randomness, epoch_end=epoch_end, stopped=self.history.stopped)
            self._tell("on_checkpoint", path)
        elif epoch_end and self.plan.average_last:
            self.last_weights.append(snapshot(self.task))
        self.meter.start_clock()

    def _log(self) -> None:
        row = self.meter.read(self.at.step, self.gradient.names, self.task.weights)
        if not row:
            return
        rate = self.optimizer.param_groups[0]["lr"]
        self._note(self.history.log, {"step": self.at.step, "epoch": self.at.epoch, "lr": rate, **row})
        self._tell("on_log", row)
        self.meter.start_clock()

    def _validate(self) -> bool:
        """Returns whether it was the best so far."""
        if self.validate is None and self.validation_loader is None:
            return False
        self._log()
        self.task.eval()
        row: dict[str, float] = {}
        with undisturbed_randomness(), torch.no_grad():
            if self.validation_loader is not None:
                row |= term_means(self.task, self.validation_loader, self.accelerator, self.gradient.autocast())
            if self.validate is not None:
                row |= {name: float(value) for name, value in self.validate(self.task).items()}
        self.task.train()
        row = broadcast_object_list([row])[0] if self.accelerator.num_processes > 1 else row
        self._note(self.history.validations, {"step": self.at.step, "epoch": self.at.epoch, **row})
        improved = self.best.update(self._monitored(row), self.at.step)
        if improved and self.plan.restore_best and self.keeper is None:
            self.best_weights = snapshot(self.task)
        if self.best.exhausted:
            self.history.stopped = "patience"
        self._tell("on_validation", row)
        self.meter.start_clock()
        return improved

    def _monitored(self, row: Mapping[str, float]) -> float:
        for name in (self.plan.monitor, f"val/{self.plan.monitor}"):
            if name in row:
                return row[name]
        if self.plan.patience or self.plan.restore_best or self.plan.monitor != "loss":
            wanted = self.plan.monitor
            raise LimbeckError(f"Plan.monitor: no validation gives {wanted!r}; {near_matches(wanted, row)}")
        return float("nan")

    def _note(self, rows: list[dict[str, float]], row: dict[str, float]) -> None:
        row["seconds"] = round(time.perf_counter() - self.started, 3)
        rows.append(row)
        if self.run is not None and self.accelerator.is_main_process:
            self.run.append(row)

    def _finish(self) -> None:
        if number := self.plan.average_last:
            states = self.last_weights if self.keeper is None else self.keeper.epoch_weights(number)
            load_own_state(self.task, average_weights(states), "the average")
        elif self.plan.restore_best and self.keeper is not None:
            self.keeper.load_best()
        elif self.best_weights:
            load_own_state(self.task, self.best_weights, "the best weights")
        if self.keeper is not None:
            self.keeper.write_result()
        self.task.eval()
        history, at = self.history, self.at
        history.steps, history.epochs, history.best_step, history.best_value = (
            at.step,
            at.epoch,
            self.best.step,
            self.best.value,
        )
        history.seconds = time.perf_counter() - self.started

    def _tell(self, event: str, *values: object) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self.at, *values)


_SUPPORTED = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
