"""What mixing keeps, how much of a batch it touches, and who sees it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.data.mixup import Mixup


def batch(number: int = 40, classes: int = 3) -> dict[str, Tensor]:
    """Each picture holds its number, so that it can be told what was mixed with what."""
    numbers = torch.arange(number, dtype=torch.float64)
    pixels = F.one_hot(numbers.long(), number).double().view(number, 1, number, 1)
    return {"pixels": pixels, "labels": numbers.long() % classes, "row": numbers.long()}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_labels_are_mixed_as_the_pictures_are(share: float) -> None:
    torch.manual_seed(0)
    before = batch()
    after = Mixup(3, share=share)(before)
    parts = after["pixels"].view(40, 40)  # the share that each picture has in each
    torch.testing.assert_close(parts.sum(1), torch.ones(40).double())
    torch.testing.assert_close(parts @ F.one_hot(before["labels"], 3).double(), after["soft_labels"])
    mixed = (parts > 0).sum(1) == 2
    # Two orders may put a picture with itself.
    assert abs(int(mixed.sum()) - round(40 * share)) <= 2
    assert (mixed.sum() == 0) == (share == 0)
    largest = parts.max(1)
    torch.testing.assert_close(after["labels"], before["labels"][largest.indices])
    assert set(after) == {"pixels", "labels", "soft_labels"}


def test_each_pair_has_its_own_share() -> None:
    torch.manual_seed(0)
    parts = Mixup(3)(batch())["pixels"].view(40, 40).max(1).values
    assert len(parts[parts < 1].unique()) > 35
    torch.manual_seed(0)
    narrow = Mixup(3, alpha=0.1)(batch())["pixels"].view(40, 40).max(1).values
    assert narrow.mean() > parts.mean()


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="share must be from 0 to 1"):
        Mixup(3, share=1.5)
