"""What a launcher runs in each of two processes; the test compares it with one process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.func import functional_call

from limbeck.batch import Batch
from limbeck.files import write_tensors
from limbeck.losses.term import Term
from limbeck.methods.base import Networks
from limbeck.methods.hard import HardAugmentation
from limbeck.methods.taid import TemporallyAdaptiveDistillation
from limbeck.methods.unroll import KeptAdamW
from limbeck.signals import Signals
from limbeck.training.clock import MethodClock
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder
from limbeck.training.task import Task
from tests.training.toys import TaggingTask, sentences

INPUTS = (0.5, -2.0)
PLAN: dict[str, Any] = {"lr": 1e-2, "epochs": 2, "log_every": 1, "clip": 1.0}


class Following(TaggingTask):
    """By TAID, whose target moves by the losses of all processes."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(dropout=dropout, weights={"taid": 1.0})
        self.method = TemporallyAdaptiveDistillation(alpha=0.5, beta=0.1)

    def forward(self, batch: Batch) -> dict[str, Term]:
        logits = self.head(torch.tanh(self.layer(self.embed(batch["ids"]))))
        return self.method(Signals(logits=logits, mask=batch["mask"]), self.teacher(batch), batch)


class Hardened(Task):
    """Learns with an augmenter, which learns by itself."""

    def __init__(self) -> None:
        method = HardAugmentation(bound=100.0, least=0.0)
        super().__init__(method.weights)
        torch.manual_seed(4)
        self.student = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
        self.taught = [nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(8, 3)).requires_grad_(False)]
        self.method = method
        method.meet(Networks(self.student, self.taught[0], lambda batch: batch["x"]))

    def forward(self, batch: Batch) -> dict[str, Term]:
        signals = (Signals(logits=network(batch["x"])) for network in (self.student, self.taught[0]))
        return self.method(*signals, batch)


def augmenter(accelerator: Accelerator) -> dict[str, Tensor]:
    """What this process's augmenter has become on batches that are unlike those of the other."""
    generator = torch.Generator().manual_seed(0)
    batches = [{"x": torch.randn(4, 3, 4, 4, generator=generator) * (1 + 3 * (number % 2))} for number in range(8)]
    task = Hardened()
    fit(task, batches, Plan(lr=1e-2, epochs=1), accelerator=accelerator, progress=False)
    return dict(task.method.augmenter.named_parameters())


def descended(own: Sequence[float]) -> dict[str, Tensor]:
    """A line and its own AdamW after three steps down the mean of what these inputs say."""
    line = nn.Linear(1, 1, dtype=torch.float64)
    nn.init.ones_(line.weight)
    nn.init.zeros_(line.bias)
    adam = KeptAdamW(line.parameters(), lr=0.1)
    for step in (1, 2, 3):
        inputs = torch.tensor(own, dtype=torch.float64).unsqueeze(-1) ** step
        adam.descend(line, lambda values, inputs=inputs: (functional_call(line, values, inputs) - 3).square().mean())
    # The moments too: AdamW's steps are the same for a sum and for a mean.
    return {**line.state_dict(), **adam.state_dict()}


def train(
    folder: Path,
    accelerator: Accelerator,
    *,
    kind: type[TaggingTask] = TaggingTask,
    dropout: float = 0.0,
    batch: int = 4,
    **more: Any,
) -> None:
    """Train in float64, so that a sum in another order is no excuse."""
    main = accelerator.is_main_process
    if main:
        RunFolder(folder, resume=True)
    accelerator.wait_for_everyone()
    fit(
        kind(dropout=dropout).double(),
        sentences(batch),
        Plan(**PLAN | more),
        run=RunFolder(folder, resume=True),
        # Five batches, so that the processes have unequal shares of them.
        validation_loader=sentences(4, shuffle=False, number=18),
        validate=lambda task: {"process": float(accelerator.process_index)},
        callbacks=[MethodClock()],
        resume=True,
        accelerator=accelerator,
        progress=False,
    )


def train_and_resume(folder: Path, accelerator: Accelerator, **more: Any) -> None:
    """Train, take away what a kill after the fifth step would not have left, and go on."""
    train(folder, accelerator, save_every=1, keep_last=4, **more)
    if accelerator.is_main_process:
        for path in (folder / "checkpoints").glob("step-*"):
            if path.name > "step-0000000005":
                (path / "state.json").unlink()
    accelerator.wait_for_everyone()
    train(folder, accelerator, save_every=1, keep_last=4, **more)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    train(folder / "plain", accelerator)
    train(folder / "accumulated", accelerator, accumulate=2)
    train(folder / "dropout", accelerator, dropout=0.3)
    train_and_resume(folder / "resumed", accelerator, dropout=0.3)
    train(folder / "following", accelerator, kind=Following)
    train_and_resume(folder / "following-resumed", accelerator, kind=Following)
    rank = accelerator.process_index
    write_tensors(folder / f"augmenter-{rank}.safetensors", augmenter(accelerator))
    write_tensors(folder / f"descended-{rank}.safetensors", descended([INPUTS[rank]]))
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
