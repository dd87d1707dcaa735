"""What a launcher runs in each of two processes; the test compares it with one process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from limbeck.batch import Batch
from limbeck.losses.term import Term
from limbeck.methods.taid import TemporallyAdaptiveDistillation
from limbeck.signals import Signals
from limbeck.training.clock import MethodClock
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder
from tests.training.toys import TaggingTask, sentences

PLAN: dict[str, Any] = {"lr": 1e-2, "epochs": 2, "log_every": 1, "clip": 1.0}


class Following(TaggingTask):
    """By TAID, whose target moves by the losses of all processes."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(dropout=dropout, weights={"taid": 1.0})
        self.method = TemporallyAdaptiveDistillation(alpha=0.5, beta=0.1)

    def forward(self, batch: Batch) -> dict[str, Term]:
        logits = self.head(torch.tanh(self.layer(self.embed(batch["ids"]))))
        return self.method(Signals(logits=logits, mask=batch["mask"]), self.teacher(batch), batch)


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
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
