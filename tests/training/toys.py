"""Small tasks: one with all that is hard to resume (dropout, a tied weight, a buffer, a frozen teacher), and a line."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from limbeck.batch import Batch
from limbeck.losses.term import Term
from limbeck.teachers.live import LiveTeacher
from limbeck.training.plan import Plan
from limbeck.training.task import Task

VOCABULARY = 11


class Sentences(Dataset[dict[str, Tensor]]):
    """Invented sentences of unequal lengths; the target of a token is its successor."""

    def __init__(self, number: int = 32, longest: int = 9) -> None:
        generator = torch.Generator().manual_seed(5)
        self.lengths = torch.randint(1, longest + 1, (number,), generator=generator)
        self.ids = torch.randint(0, VOCABULARY, (number, longest), generator=generator)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        mask = torch.arange(self.ids.shape[1]) < self.lengths[index]
        return {"ids": self.ids[index], "mask": mask}


class TaggingTask(Task):
    """A tied student learns successors and, from a frozen teacher, its scores."""

    def __init__(self, *, dropout: float = 0.0, width: int = 8, weights: dict[str, float] | None = None) -> None:
        super().__init__({"ce": 1.0, "mse": 0.3} if weights is None else weights)
        torch.manual_seed(3)
        self.embed = nn.Embedding(VOCABULARY, width)
        self.layer = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        teacher = nn.Sequential(nn.Embedding(VOCABULARY, 4), nn.Linear(4, VOCABULARY))
        self.teacher = LiveTeacher(teacher, lambda batch: {"input": batch["ids"]})

    def forward(self, batch: Batch) -> dict[str, Term]:
        logits = self.head(self.dropout(torch.tanh(self.layer(self.embed(batch["ids"])))))
        if self.training:
            self.get_buffer("seen").add_(batch["mask"].sum())
        targets = (batch["ids"] + 1) % VOCABULARY
        losses = nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        taught = self.teacher(batch).logits
        # The second term counts other positions than the first, so that one common divisor would be wrong.
        return {
            "ce": Term.over(losses, batch["mask"]),
            "mse": Term.over(((logits - taught) ** 2).mean(-1), batch["mask"] & (batch["ids"] > 4)),
        }


def sentences(batch_size: int = 4, *, shuffle: bool = True, number: int = 32) -> DataLoader[dict[str, Tensor]]:
    return DataLoader(Sentences(number), batch_size=batch_size, shuffle=shuffle)


class Line(Task):
    """Least squares through the origin; the batch says what to spoil."""

    def __init__(self, weights: dict[str, float] | None = None) -> None:
        super().__init__(weights or {"squares": 1.0})
        self.slope = nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> dict[str, Term]:
        return {"squares": Term.over((self.slope * batch["x"] - batch["y"]) ** 2)}


def line_batches(number: int = 4) -> list[dict[str, Tensor]]:
    x = torch.linspace(1, 2, 8)
    return [{"x": x, "y": 3 * x} for _ in range(number)]


def plain(**more: Any) -> Plan:
    values: dict[str, Any] = {"lr": 1e-2, "epochs": 2}
    return Plan(**(values | more))
