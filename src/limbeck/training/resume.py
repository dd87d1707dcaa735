"""What a run must remember to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from limbeck.errors import LimbeckError, TrainingError
from limbeck.files import write_tensors
from limbeck.training.best import Best
from limbeck.training.callbacks import Progress
from limbeck.training.checkpoint import (
    Checkpoint,
    folder_name,
    newest_checkpoint,
    point,
    pointed,
    read_checkpoint,
    read_tensors,
    remove_others,
    write_checkpoint,
)
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder
from limbeck.training.seed import RandomState, restore_random_state
from limbeck.training.weights import load_own_state, own_state, snapshot, untied

FREE = ("log_every", "keep_last")
"""What a plan may change on resume: it has no part in the weights."""


class Keeper:
    """Writes a run's checkpoints, and goes on from them.

    Args:
        run: The run's folder.
        accelerator: The processes; the main one writes.
        optimizer: Of the parameters.
        parameters: What learns, by name.
        at: Where the run stands; filled in by :meth:`restore`.
        best: The best validation; filled in by :meth:`restore`.
    """

    def __init__(
        self,
        run: RunFolder,
        accelerator: Accelerator,
        optimizer: torch.optim.Optimizer,
        parameters: dict[str, nn.Parameter],
        at: Progress,
        best: Best,
    ) -> None:
        self.run, self.accelerator, self.optimizer, self.at, self.best = run, accelerator, optimizer, at, best
        self.parameters = parameters
        names = {id(parameter): name for name, parameter in parameters.items()}
        self.names = [names[id(value)] for group in optimizer.param_groups for value in group["params"]]
        self.found: Checkpoint | None = None

    def save(self, randomness: RandomState, *, epoch_end: bool, stopped: str) -> Path:
        """Write a checkpoint, and remove those that are no longer needed.

        Args:
            randomness: Of this process, before it loaded the batch that comes next.
            epoch_end: Whether it counts as an epoch's for the average.
            stopped: Why the run ended; empty while it goes on.

        Returns:
            Its folder, on every process.

        Raises:
            TrainingError: A weight is not finite; nothing is written, and what was written before stays.
        """
        for name, value in self.parameters.items():
            if not value.isfinite().all():
                raise TrainingError(f"after step {self.at.step}: the weight {name!r} is not finite; nothing was saved")
        alone = self.accelerator.num_processes == 1
        states = [randomness] if alone else gather_object([randomness])
        buffers = [] if alone else gather_object([self._buffers()])
        path = self.run.checkpoints / folder_name(self.at.step)
        if self.accelerator.is_main_process:
            files = {"model": snapshot(self.at.task), "optimizer": self._optimizer_tensors()}
            files |= {f"random-{rank}": tensors for rank, (tensors, _) in enumerate(states)}
            # What a method has seen of its own process's batches, and has not added over processes yet.
            files |= {f"buffers-{rank}": own for rank, own in enumerate(_differing(buffers)) if own}
            write_checkpoint(
                self.run.checkpoints,
                self.at.step,
                files,
                {
                    "epoch": self.at.epoch,
                    "batch": self.at.batch,
                    "seconds": self.at.seconds,
                    "epoch_end": epoch_end,
                    "stopped": stopped,
                    "best": asdict(self.best),
                    "weights": self.at.task.weights,
                    "asked": self._asked(),
                    "random": [others for _, others in states],
                },
            )
            point(self.run.checkpoints, "latest", self.at.step)
            if self.best.step == self.at.step:
                point(self.run.checkpoints, "best", self.at.step)
            self._remove_old()
        self.accelerator.wait_for_everyone()
        return path

    def restore(self) -> str:
        """Put everything back but the random state, which :meth:`restore_randomness` puts back within the epoch.

        Returns:
            Why the run had ended; empty where it had not.

        Raises:
            LimbeckError: The plan, the loader, the task or the number of processes is another; the message says what.
        """
        found = self.found = newest_checkpoint(self.run.checkpoints)
        if found is not None:
            self._check_same(found)
            load_own_state(self.at.task, found.tensors("model"), str(found.path / "model.safetensors"))
            self._load_buffers(found)
            self._load_optimizer(found.tensors("optimizer"))
            self.at.step, self.at.epoch, self.at.batch = (found.state[name] for name in ("step", "epoch", "batch"))
            self.at.seconds = found.state["seconds"]
            self.at.task.weights.update(found.state["weights"])
            for name in ("value", "step", "waited"):
                setattr(self.best, name, found.state["best"][name])
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.run.drop_rows_after(self.at.step)
            self._remove_newer()
        self.accelerator.wait_for_everyone()
        return str(found.state["stopped"]) if found else ""

    def restore_randomness(self) -> None:
        """Put the random state back, once, if the run goes on within an epoch; epochs start from seeds of their own."""
        if self.found is not None and self.found.state["batch"]:
            rank = self.accelerator.process_index
            restore_random_state(self.found.tensors(f"random-{rank}"), self.found.state["random"][rank])
        self.found = None

    def epoch_weights(self, number: int) -> Iterator[dict[str, Tensor]]:
        """The weights of the last epochs, from the oldest on."""
        for path in self._epoch_ends()[-number:]:
            yield read_tensors(path / "model.safetensors")

    def load_best(self) -> None:
        """Put the best weights into the task, if there was a best."""
        if self.best.step is not None:
            path = pointed(self.run.checkpoints, "best") / "model.safetensors"
            load_own_state(self.at.task, read_tensors(path), str(path))

    def write_result(self) -> None:
        """Write the weights that the task is left with."""
        if self.accelerator.is_main_process:
            write_tensors(self.run.model, snapshot(self.at.task))
        self.accelerator.wait_for_everyone()

    def _asked(self) -> dict[str, Any]:
        """What must be the same when the run goes on."""
        plan = {f"plan.{name}": value for name, value in self.at.plan.model_dump(mode="json").items()}
        free = {f"plan.{name}" for name in FREE}
        return {
            **{name: value for name, value in plan.items() if name not in free},
            "processes": self.accelerator.num_processes,
            "steps in all": self.at.total,
            "parameters that learn": self.names,
        }

    def _check_same(self, found: Checkpoint) -> None:
        then, now = found.state["asked"], json.loads(json.dumps(self._asked()))
        differing = [name for name in then.keys() | now.keys() if then.get(name) != now.get(name)]
        if differing:
            told = "; ".join(f"{name}: {_told(then.get(name), now.get(name))}" for name in sorted(differing))
            raise LimbeckError(f"{found.path}: was made by another run: {told}")

    def _buffers(self) -> dict[str, Tensor]:
        parameters = dict(self.at.task.named_parameters())
        state, _ = untied(own_state(self.at.task))
        return {name: value.to("cpu").contiguous() for name, value in state.items() if name not in parameters}

    def _load_buffers(self, found: Checkpoint) -> None:
        if (name := f"buffers-{self.accelerator.process_index}") in found.state["bytes"]:
            state = own_state(self.at.task)
            for buffer, value in found.tensors(name).items():
                state[buffer].copy_(value)

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        state: dict[int, dict[str, Tensor]] = self.optimizer.state_dict()["state"]
        return {
            f"{kind}.{self.names[index]}": value.detach().to("cpu").contiguous()
            for index, values in state.items()
            for kind, value in values.items()
        }

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        places = {name: index for index, name in enumerate(self.names)}
        for key, value in tensors.items():
            kind, _, name = key.partition(".")
            state.setdefault(places[name], {})[kind] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})

    def _epoch_ends(self) -> list[Path]:
        paths = sorted(self.run.checkpoints.glob("step-*"))
        return [path for path in paths if read_checkpoint(path).state["epoch_end"]]

    def _remove_old(self) -> None:
        plan: Plan = self.at.plan
        newest = sorted(self.run.checkpoints.glob("step-*"))[-plan.keep_last :]
        averaged = self._epoch_ends()[-plan.average_last :] if plan.average_last else []
        best = [] if self.best.step is None else [self.run.checkpoints / folder_name(self.best.step)]
        remove_others(self.run.checkpoints, {path.name for path in [*newest, *averaged, *best]})

    def _remove_newer(self) -> None:
        """Damaged checkpoints beyond the one that the run goes on from would later pass for newer ones."""
        kept = {path.name for path in self.run.checkpoints.glob("step-*") if path.name <= folder_name(self.at.step)}
        remove_others(self.run.checkpoints, kept)
        if self.best.step is not None:
            point(self.run.checkpoints, "best", self.best.step)


def _differing(buffers: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Of each process's buffers those that are not as the main process has them."""
    return [{name: value for name, value in own.items() if not torch.equal(value, buffers[0][name])} for own in buffers]


def _told(then: Any, now: Any) -> str:
    if isinstance(then, list) and isinstance(now, list) and then and isinstance(then[0], str):
        gone, new = [name for name in then if name not in now], [name for name in now if name not in then]
        return f"without {gone[:3]}, with {new[:3]} now" if gone or new else "in another order"
    return f"{then!r} there, {now!r} now"
