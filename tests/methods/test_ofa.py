"""Exits of every shape, the limit without enhancement, and what is left after the training."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from limbeck.errors import LimbeckError
from limbeck.losses.ofa import target_enhanced
from limbeck.methods.ofa import ExitDistillation
from limbeck.models.vision.exits import exit_branch
from limbeck.signals import Signals

GENERATOR = torch.Generator().manual_seed(0)
OURS, THEIRS = torch.randn(2, 4, 3, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize("shape", [(4, 6, 8, 8), (4, 6, 2, 2), (4, 6, 1, 1), (4, 17, 8), (4, 16, 8), (4, 4, 8), (4, 5)])
def test_exits_of_every_shape_use_all_of_the_hidden_state(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    branch = exit_branch(shape, 3, 8).eval()
    hidden = torch.randn(shape, generator=GENERATOR, requires_grad=True)
    logits = branch(hidden)
    assert logits.shape == (4, 3)
    logits.square().sum().backward()
    assert hidden.grad is not None
    used = hidden.grad.flatten(2).abs().sum(2) if len(shape) == 4 else hidden.grad.abs()
    used = used.sum(-1) if len(shape) == 3 else used
    assert (used > 0).float().mean() == (16 / 17 if shape[1] == 17 else 1.0)  # the first token is no patch


def test_tokens_that_fill_no_square() -> None:
    with pytest.raises(LimbeckError, match=r"an exit needs maps, tokens .* got \(4, 7, 8\)"):
        exit_branch((4, 7, 8), 3, 8)


def test_merged_tokens_are_neighbours() -> None:
    """A change of one corner of the grid moves one of the four merged tokens alone."""
    torch.manual_seed(0)
    branch = exit_branch((1, 16, 2), 3, 8)
    merge = branch.get_submodule("merge")
    grid = torch.randn(1, 4, 4, 2)
    other = grid.clone()
    other[0, :2, 2:] = torch.randn(2, 2, 2)
    moved = (merge(grid.flatten(1, 2)) - merge(other.flatten(1, 2))).abs().sum(-1)[0]
    assert (moved > 1e-6).tolist() == [False, True, False, False]


def test_eps_1_is_plain_cross_entropy_with_the_teacher() -> None:
    expected = -(THEIRS.softmax(-1) * OURS.log_softmax(-1)).sum(-1)
    torch.testing.assert_close(target_enhanced(OURS, THEIRS, LABELS, eps=1.0), expected)
    with pytest.raises(ValueError, match="eps must be at least 1"):
        target_enhanced(OURS, THEIRS, LABELS, eps=0.5)


def test_a_sure_teacher_gives_the_truth_more_weight() -> None:
    ours = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    theirs = torch.tensor([[6.0, 0.0, 0.0], [0.0, 0.0, 6.0]], dtype=torch.float64)  # right, wrong
    pulls = []
    for eps in (1.0, 2.0):
        (slope,) = torch.autograd.grad(target_enhanced(ours, theirs, torch.tensor([0, 0]), eps=eps).sum(), ours)
        pulls.append(-slope)
    assert pulls[1][0, 0] > 2 * pulls[0][0, 0]
    assert abs(float(pulls[1][1, 2] / pulls[0][1, 2])) < 1.1


def test_terms_by_hand() -> None:
    method = ExitDistillation(stages=("features",), eps=2.0, final_eps=1.0, exits=0.5)
    features = torch.randn(4, 5, generator=GENERATOR, dtype=torch.float64)
    student, teacher = Signals(logits=OURS, hidden={"features": features}), Signals(logits=THEIRS)
    method.connect(student, teacher)
    terms = method.double()(student, teacher, {"labels": LABELS})
    with torch.no_grad():
        (logits,) = method.said(student)
    p, y = THEIRS.softmax(-1), F.one_hot(LABELS, 3)
    assert float(terms["ofa/exits"].total.detach()) == pytest.approx(
        float(-(((p + y) ** 2 - y) * logits.log_softmax(-1)).sum())
    )
    assert float(terms["ofa/final"].total.detach()) == pytest.approx(float(-(p * OURS.log_softmax(-1)).sum()))
    assert method.weights == {"ofa/exits": 0.5, "ofa/final": 1.0}
    with pytest.raises(LimbeckError, match="no dense logits"):
        method.connect(student, Signals())
