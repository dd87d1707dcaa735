"""A small language model as teacher, and batches for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from limbeck.batch import Batch
from limbeck.teachers.live import LiveTeacher

VOCAB, WIDTH = 300, 6


def teacher(seed: int = 0, *, hidden: bool = False) -> LiveTeacher:
    torch.manual_seed(seed)
    head = nn.Linear(WIDTH, VOCAB)
    with torch.no_grad():
        head.weight.mul_(12)  # some positions are sure, some are not
    model = nn.Sequential(nn.Embedding(VOCAB, WIDTH), nn.Tanh(), head)
    return LiveTeacher(model, lambda batch: {"input": batch["input_ids"]}, ("1",) if hidden else ())


def sentence(row: int) -> list[int]:
    """The tokens of a row: some of them short, one of a single token, at which nothing counts."""
    generator = torch.Generator().manual_seed(row)
    length = 1 if row == 3 else int(torch.randint(2, 9, (), generator=generator))
    return torch.randint(1, VOCAB, (length,), generator=generator).tolist()


def batch_of(rows: Sequence[int], *, pad: int = 0, left: bool = False, prompt: int = 0) -> dict[str, Any]:
    """Rows as a padded batch of next tokens; the first ``prompt`` targets do not count."""
    texts = [sentence(row) for row in rows]
    width = max(map(len, texts)) + pad
    input_ids = torch.zeros(len(rows), width, dtype=torch.long)
    attention, targets = input_ids.clone(), torch.full_like(input_ids, -100)
    for number, text in enumerate(texts):
        begin = width - len(text) if left else 0
        input_ids[number, begin : begin + len(text)] = torch.tensor(text)
        attention[number, begin : begin + len(text)] = 1
        targets[number, begin + prompt : begin + len(text) - 1] = torch.tensor(text[1 + prompt :])
    return {
        "input_ids": input_ids,
        "attention_mask": attention,
        "targets": targets,
        "mask": targets != -100,
        "row": torch.tensor(rows),
    }


def batches(number: int = 12, size: int = 3) -> list[Batch]:
    """All rows, in their order."""
    return [batch_of(range(start, min(start + size, number))) for start in range(0, number, size)]
