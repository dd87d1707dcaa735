"""What a launcher runs in each of two processes; the test compares it with one process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder
from tests.training.toys import TaggingTask, sentences

PLAN: dict[str, Any] = {"lr": 1e-2, "epochs": 2, "log_every": 1, "clip": 1.0}


def train(folder: Path, accelerator: Accelerator, *, dropout: float = 0.0, batch: int = 4, **more: Any) -> None:
    """Train in float64, so that a sum in another order is no excuse."""
    main = accelerator.is_main_process
    if main:
        RunFolder(folder, resume=True)
    accelerator.wait_for_everyone()
    fit(
        TaggingTask(dropout=dropout).double(),
        sentences(batch),
        Plan(**PLAN | more),
        run=RunFolder(folder, resume=True),
        # Five batches, so that the processes have unequal shares of them.
        validation_loader=sentences(4, shuffle=False, number=18),
        validate=lambda task: {"process": float(accelerator.process_index)},
        resume=True,
        accelerator=accelerator,
        progress=False,
    )


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    train(folder / "plain", accelerator)
    train(folder / "accumulated", accelerator, accumulate=2)
    train(folder / "dropout", accelerator, dropout=0.3)
    train(folder / "resumed", accelerator, dropout=0.3, save_every=1, keep_last=4)
    if accelerator.is_main_process:
        # What a kill after the fifth step would have left.
        for path in (folder / "resumed" / "checkpoints").glob("step-*"):
            if path.name > "step-0000000005":
                (path / "state.json").unlink()
    accelerator.wait_for_everyone()
    train(folder / "resumed", accelerator, dropout=0.3, save_every=1, keep_last=4)
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
