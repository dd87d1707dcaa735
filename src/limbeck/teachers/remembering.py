"""A teacher that is asked about each row once, for trainings that pass over the same rows again and again."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.signals import Signals
from limbeck.teachers.base import Teacher


class RememberingTeacher:
    """Asks another teacher about rows that it has not seen, and says from memory what it said of the others.

    For small data alone: memory holds dense logits of all words, on the device that they were said on. Where that is
    too much, `limbeck cache` writes them to disk.

    Args:
        teacher: Gives dense logits ``(batch, tokens, vocabulary)`` and nothing else. Batches have ``row``, a number for
            each text, ``attention_mask``, and padding on the right; a text is the same each time.

    Example:
        >>> import torch
        >>> asked = []
        >>> def teacher(batch):
        ...     asked.extend(batch["row"].tolist())
        ...     return Signals(torch.randn(*batch["attention_mask"].shape, 5))
        >>> remembering = RememberingTeacher(teacher)
        >>> first = remembering({"row": torch.tensor([3, 7]), "attention_mask": torch.tensor([[1, 1, 0], [1, 1, 1]])})
        >>> again = remembering({"row": torch.tensor([3]), "attention_mask": torch.tensor([[1, 1]])})
        >>> asked, bool((again.logits[0] == first.logits[0, :2]).all())
        ([3, 7], True)
    """

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self.said: dict[int, Tensor] = {}

    def __call__(self, batch: Batch) -> Signals:
        """What the teacher says of a batch; at padding, nothing of meaning.

        Raises:
            LimbeckError: It gives no dense logits, or hidden states, too, which are not remembered.
        """
        rows = batch["row"].tolist()
        if any(row not in self.said for row in rows):
            signals = self.teacher(batch)
            if not isinstance(signals.logits, Tensor) or signals.hidden or signals.attention:
                raise LimbeckError("teacher: one that is remembered must give dense logits, and nothing else")
            lengths = batch["attention_mask"].sum(1).tolist()
            for row, logits, length in zip(rows, signals.logits, lengths, strict=True):
                self.said.setdefault(row, logits[:length].clone())
        logits = pad_sequence([self.said[row] for row in rows], batch_first=True)
        padding = batch["attention_mask"].shape[1] - logits.shape[1]
        return Signals(F.pad(logits, (0, 0, 0, padding)), mask=batch.get("mask"))
