"""Distil a small network on any number of processes: the same script for one device and for many machines."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from limbeck.batch import Batch
from limbeck.losses.term import Term
from limbeck.teachers.live import LiveTeacher
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder
from limbeck.training.task import Task


class Distil(Task):
    """The student's logits shall be the teacher's."""

    def __init__(self, student: nn.Module, teacher: LiveTeacher) -> None:
        super().__init__({"logits": 1.0})
        self.student, self.teacher = student, teacher

    def forward(self, batch: Batch) -> dict[str, Term]:
        """``logits``, over the examples."""
        taught = self.teacher(batch)
        return {"logits": Term.over((self.student(batch["x"]) - taught.logits).square().mean(-1))}

    def counts(self, batch: Batch) -> dict[str, Tensor]:
        """Told from the batch, so that no forward pass is needed to know them."""
        return {"logits": torch.tensor(float(len(batch["x"])))}


def network(width: int) -> nn.Sequential:
    """A classifier of three classes."""
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 3))


def collate(rows: list[tuple[Tensor]]) -> Batch:
    """A batch of the rows' vectors."""
    return {"x": torch.stack([row[0] for row in rows])}


def main(folder: Path) -> None:
    """Train, or go on with what is in the folder."""
    accelerator = Accelerator()
    torch.manual_seed(0)  # the same networks and the same data in every process
    teacher = LiveTeacher(network(64), lambda batch: {"input": batch["x"]})
    task = Distil(network(4), teacher)
    data = TensorDataset(torch.randn(512, 8))
    loader = DataLoader(data, batch_size=16, shuffle=True, collate_fn=collate)

    if accelerator.is_main_process:
        RunFolder(folder, resume=True)  # one process makes the folder, the others find it
    accelerator.wait_for_everyone()
    history = fit(
        task,
        loader,
        Plan(lr=1e-2, epochs=20, log_every=20),
        run=RunFolder(folder, resume=True),
        resume=True,
        accelerator=accelerator,
    )
    accelerator.print(f"{accelerator.num_processes} processes, {history.steps} steps, {history.log[-1]['logits']:.4f}")
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
