from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.signals import Signals, SparseLogits
from limbeck.teachers.remembering import RememberingTeacher

WORDS = 7
TEXTS = [[1, 4, 2], [3, 3, 3, 5, 2], [6], [2, 4, 6, 1]]


class Live:
    """Says of each place what depends on the text up to it, as a language model does; notes who asks."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, batch: Batch) -> Signals:
        self.asked.append(batch["row"].tolist())
        weights = torch.randn(WORDS, WORDS, generator=torch.Generator().manual_seed(0))
        return Signals(weights[batch["input_ids"]].cumsum(1), mask=batch["mask"])


def batch(*rows: int, width: int = 0) -> Batch:
    width = max(width, *(len(TEXTS[row]) for row in rows))
    ids = torch.tensor([TEXTS[row] + [0] * (width - len(TEXTS[row])) for row in rows])
    real = torch.tensor([[place < len(TEXTS[row]) for place in range(width)] for row in rows])
    return {"row": torch.tensor(rows), "input_ids": ids, "attention_mask": real.long(), "mask": real}


def test_memory_is_what_the_teacher_says_however_texts_are_put_together() -> None:
    live = Live()
    remembering = RememberingTeacher(live)
    for given in (batch(0, 1), batch(2, 3, width=9), batch(3, 0), batch(1, 2, 3)):
        said, expected = remembering(given), Live()(given)
        assert isinstance(said.logits, Tensor)
        assert isinstance(expected.logits, Tensor)
        assert said.mask is given["mask"]
        assert said.logits.shape == expected.logits.shape
        torch.testing.assert_close(said.logits[given["mask"]], expected.logits[given["mask"]])
    assert live.asked == [[0, 1], [2, 3]]


def test_a_batch_with_one_new_text_is_asked_about() -> None:
    live = Live()
    remembering = RememberingTeacher(live)
    remembering(batch(0, 1))
    remembering(batch(1, 2))
    remembering(batch(2, 0))
    assert live.asked == [[0, 1], [1, 2]]


@pytest.mark.parametrize("other", [[1, 4, 3], [1, 4], [1, 4, 2, 2]])
def test_a_number_that_stands_for_another_text_is_refused(other: list[int]) -> None:
    remembering = RememberingTeacher(Live())
    remembering(batch(0, 1))
    real = torch.ones(1, len(other))
    given = {**batch(0), "input_ids": torch.tensor([other]), "attention_mask": real.long(), "mask": real.bool()}
    with pytest.raises(LimbeckError, match="a number stands for another text than before"):
        remembering(given)


@pytest.mark.parametrize(
    "signals",
    [
        Signals(SparseLogits.top(torch.zeros(1, 1, WORDS), 2)),
        Signals(torch.zeros(1, 1, WORDS), hidden={"block": torch.zeros(1, 1, 2)}),
        Signals(None),
    ],
)
def test_what_is_not_remembered_is_refused(signals: Signals) -> None:
    with pytest.raises(LimbeckError, match="dense logits, and nothing else"):
        RememberingTeacher(lambda given: signals)(batch(2))
