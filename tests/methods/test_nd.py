"""The class means and whence they come, the adapter, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from limbeck.batch import IGNORED, Batch
from limbeck.errors import LimbeckError
from limbeck.methods.nd import NormAndDirection
from limbeck.signals import Signals

FEATURES = torch.tensor([[3.0, 4.0], [1.0, 0.0], [5.0, 2.0], [9.0, 9.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 1, 0, IGNORED])


def said(values: Tensor) -> Signals:
    return Signals(hidden={"features": values})


def teacher(batch: Batch) -> Signals:
    return said(batch["x"])


def made(width: int = 2, **settings: str) -> NormAndDirection:
    torch.manual_seed(0)
    method = NormAndDirection(student="features", teacher="features", classes=3, **settings)  # type: ignore[arg-type]
    method.connect(said(torch.zeros(2, width, dtype=torch.float64)), said(FEATURES[:2]))
    return method.double()


def parts(size: int) -> Iterator[dict[str, Tensor]]:
    for start in range(0, 4, size):
        yield {"x": FEATURES[start : start + size], "labels": LABELS[start : start + size]}


@pytest.mark.parametrize("size", [1, 3, 4])
def test_means_of_a_pass_do_not_depend_on_batches_and_stay(size: int) -> None:
    method = made()
    method.prepare(teacher, parts(size))
    expected = torch.tensor([[4.0, 3.0], [1.0, 0.0], [0.0, 0.0]]).double()
    torch.testing.assert_close(method.means(), expected)
    ours = torch.tensor([[0.6, 0.8]]).double()
    term = method.train()(said(ours), said(FEATURES[:1]), {"labels": LABELS[:1]})["nd"]
    # e = (0.8, 0.6), s . e = 0.96, and the teacher's length is 5.
    assert float(term.total) == pytest.approx(1 - 0.96 / 5)
    torch.testing.assert_close(method.means(), expected)


def test_without_a_pass_means_are_those_of_what_was_seen_in_training() -> None:
    method = made()
    ours = said(torch.ones(4, 2, dtype=torch.float64))
    assert float(method.eval()(ours, said(FEATURES), {"labels": LABELS})["nd"].count) == 0
    assert float(method.train()(ours, said(FEATURES), {"labels": LABELS})["nd"].count) == 3
    again = method.eval()(ours, said(FEATURES), {"labels": torch.tensor([0, 2, IGNORED, 1])})["nd"]
    assert float(again.count) == 2
    restored = made()
    restored.load_state_dict(method.state_dict())
    torch.testing.assert_close(restored.means(), method.means())


def test_other_widths_are_adapted_and_the_adapter_learns() -> None:
    method = made(width=3).train()
    assert [type(part) for part in method.adapter.children()] == [nn.BatchNorm1d, nn.Dropout, nn.Linear]
    ours = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    method(said(ours), said(FEATURES), {"labels": LABELS})["nd"].mean().backward()
    assert all(value.grad is not None for value in method.parameters())
    one = method(said(ours[:1]), said(FEATURES[:1]), {"labels": LABELS[:1]})["nd"]
    assert (float(one.total.detach()), float(one.count)) == (0.0, 0.0)


def test_maps_are_averaged_and_the_teacher_s_own_feature_can_be_the_target() -> None:
    method = made(align="teacher")
    maps = FEATURES[:, :, None, None].expand(4, 2, 3, 3) + torch.linspace(-1, 1, 9).double().view(1, 1, 3, 3)
    assert float(method(said(maps), said(FEATURES), {"labels": LABELS})["nd"].total) == pytest.approx(0.0, abs=1e-12)
    assert float(method(said(maps), said(FEATURES + 2), {"labels": LABELS})["nd"].mean()) == pytest.approx(4.0)


def test_what_cannot_be() -> None:
    with pytest.raises(LimbeckError, match=r"'features' gives \(2, 5, 3\)"):
        made().connect(said(torch.zeros(2, 5, 3)), said(FEATURES[:2]))
    with pytest.raises(LimbeckError, match="a label 7 with classes = 3"):
        made().prepare(teacher, [{"x": FEATURES[:1], "labels": torch.tensor([7])}])
