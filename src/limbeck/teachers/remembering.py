"""A teacher that is asked about each row once, for trainings that pass over the same rows again and again."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.signals import Signals
from limbeck.teachers.base import Teacher

_PADDING = -1


class RememberingTeacher:
    """Asks another teacher about rows that it has not seen, and says from memory what it said of the others.

    For small data alone: memory holds dense logits of all words, on the device that they were said on. Where that is
    too much, `limbeck cache` writes them to disk.

    Args:
        teacher: Gives dense logits ``(batch, tokens, vocabulary)`` and nothing else. Batches have ``row``, a number for
            each text, ``input_ids``, ``attention_mask``, and padding on the right.

    Example:
        >>> import torch
        >>> asked = []
        >>> def teacher(batch):
        ...     asked.extend(batch["row"].tolist())
        ...     return Signals(torch.randn(*batch["attention_mask"].shape, 5))
        >>> remembering = RememberingTeacher(teacher)
        >>> ids, real = torch.tensor([[8, 9, 0], [8, 5, 6]]), torch.tensor([[1, 1, 0], [1, 1, 1]])
        >>> first = remembering({"row": torch.tensor([3, 7]), "input_ids": ids, "attention_mask": real})
        >>> short = {"input_ids": ids[:1, :2], "attention_mask": real[:1, :2]}
        >>> again = remembering({"row": torch.tensor([3]), **short})
        >>> asked, bool((again.logits[0] == first.logits[0, :2]).all())
        ([3, 7], True)
    """

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self.said: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, batch: Batch) -> Signals:
        """What the teacher says of a batch; at padding, nothing of meaning.

        Raises:
            LimbeckError: It gives no dense logits, or hidden states, too, which are not remembered; or a row is
                another text than it was.
        """
        rows, real = batch["row"].tolist(), batch["attention_mask"].bool()
        ids = batch["input_ids"].masked_fill(~real, _PADDING)
        if any(row not in self.said for row in rows):
            signals = self.teacher(batch)
            if not isinstance(signals.logits, Tensor) or signals.hidden or signals.attention:
                raise LimbeckError("teacher: one that is remembered must give dense logits, and nothing else")
            for row, text, logits, length in zip(rows, ids, signals.logits, real.sum(1).tolist(), strict=True):
                self.said.setdefault(row, (text[:length].clone(), logits[:length].clone()))
        texts, said = zip(*(self.said[row] for row in rows), strict=True)
        known = pad_sequence([*texts], batch_first=True, padding_value=_PADDING)
        missing = ids.shape[1] - known.shape[1]
        if missing < 0 or not torch.equal(F.pad(known, (0, missing), value=_PADDING), ids):
            raise LimbeckError("row: a number stands for another text than before; a remembered teacher needs the same")
        logits = F.pad(pad_sequence([*said], batch_first=True), (0, 0, 0, missing))
        return Signals(logits, mask=batch.get("mask"))
