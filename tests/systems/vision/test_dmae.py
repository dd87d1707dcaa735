"""Visible patches and nothing else, a teacher that stops half-way, the two terms, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.cli.app import execute
from limbeck.methods.hidden import HiddenStateDistillation
from limbeck.signals import Signals
from limbeck.systems.findings import Findings
from limbeck.systems.vision.dmae import ARMS
from limbeck.systems.vision.masked import (
    MaskedAutoencoder,
    MaskedTask,
    draw_visible,
    encode,
    multiplications,
    patches_of,
)  # fmt: skip
from limbeck.systems.vision.masked_pretraining import Recipe
from limbeck.systems.vision.models import Shape

SMALL = Shape("vit", (8,) * 3, patch=8)


class Forbidden(nn.Module):
    def forward(self, hidden: Tensor) -> Tensor:
        raise AssertionError("this block must not be run")


def made(keep: int, *, teacher: bool = True) -> MaskedTask:
    torch.manual_seed(0)
    student = MaskedAutoencoder(SMALL, width=8)
    if not teacher:
        return MaskedTask(student, keep)
    other = Shape("vit", (12,) * 4, patch=8).build(1).eval().requires_grad_(False)
    method = HiddenStateDistillation(pairs={"student": "teacher"}, distance="normalized-l1")
    sizes = (Signals(hidden={side: torch.zeros(2, 5, width)}) for side, width in (("student", 8), ("teacher", 12)))
    method.connect(*sizes)
    return MaskedTask(student, keep, teacher=other, method=method, at=(1, 2))


def pixels(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_hidden_patches_are_not_seen() -> None:
    torch.manual_seed(0)
    network, seen = SMALL.build(1).eval(), torch.tensor([[1, 6, 15], [0, 2, 3], [7, 8, 9]])
    whole = pixels()
    (state,) = encode(network, whole, seen, [3])
    assert state.shape == (3, 4, 8)
    covered = F.unfold(whole, 8, stride=8).transpose(1, 2).clone()
    hidden = torch.ones(3, 16, dtype=torch.bool).scatter(1, seen, False)
    covered[hidden] = 100.0
    spoilt = F.fold(covered.transpose(1, 2), 32, 8, stride=8)
    torch.testing.assert_close(encode(network, spoilt, seen, [3])[0], state)
    everything = torch.arange(16).expand(3, 16)
    torch.testing.assert_close(encode(network, whole, everything, [2])[0], network.before(whole, 2))


def test_masks_differ_from_picture_to_picture() -> None:
    torch.manual_seed(0)
    seen = draw_visible(200, 16, 4)
    assert (seen.diff(dim=1) > 0).all()
    assert len({tuple(row) for row in seen.tolist()}) > 150
    assert (seen.flatten().bincount() / 200 - 0.25).abs().max() < 0.12


def test_the_teacher_stops_where_it_is_compared() -> None:
    task = made(4)
    (teacher,) = task._teacher
    teacher.stages[2] = teacher.stages[3] = teacher.features = teacher.head = Forbidden()  # type: ignore[assignment]
    assert task({"pixels": pixels()}).keys() == {"pixels", "hidden/student"}
    whole = made(16)
    whole.student.encoder.stages[1] = whole.student.encoder.stages[2] = Forbidden()
    assert whole({"pixels": pixels()}).keys() == {"hidden/student"}


def test_terms_by_hand_and_one_mask_for_both() -> None:
    task, images = made(4).double(), pixels().double()
    (teacher,) = task._teacher
    teacher.double()
    torch.manual_seed(5)
    terms = task({"pixels": images})
    torch.manual_seed(5)
    seen = draw_visible(3, 16, 4)
    student, method = task.student, task.method
    assert method is not None
    (ours,), (theirs,) = (
        encode(network, images, seen, [depth]) for network, depth in ((student.encoder, 1), (teacher, 2))
    )
    projected = ours @ method.projections["student"].weight.T  # type: ignore[operator]
    unit = [side / side.square().sum(-1, keepdim=True).sqrt() for side in (projected, theirs)]
    torch.testing.assert_close(terms["hidden/student"].total, (unit[0] - unit[1]).abs().mean(-1).sum())
    assert float(terms["hidden/student"].count) == 3 * 5
    (last,) = encode(student.encoder, images, seen, [3])
    painted = student.painted(last, seen)
    total = torch.zeros((), dtype=torch.float64)
    for picture in range(3):
        for patch in set(range(16)) - set(seen[picture].tolist()):
            block = images[picture, :, patch // 4 * 8 : patch // 4 * 8 + 8, patch % 4 * 8 : patch % 4 * 8 + 8].flatten()
            wanted = (block - block.mean()) / (block.var(unbiased=False) + 1e-4).sqrt()
            total = total + (painted[picture, patch] - wanted).square().mean()
    torch.testing.assert_close(terms["pixels"].total, total)
    assert float(terms["pixels"].count) == 3 * 12
    assert torch.equal(patches_of(images, 8)[0, 5], images[0, :, 8:16, 8:16].flatten())


def test_the_student_learns_and_the_teacher_does_not() -> None:
    task = made(4)
    sum(term.mean() for term in task({"pixels": pixels()}).values()).backward()
    without = {name for name, value in task.named_parameters() if value.grad is None}
    assert without == {"student.encoder.head.weight", "student.encoder.head.bias"}
    assert not any("teacher" in name for name in task.state_dict())
    assert all(value.grad is None for value in task._teacher[0].parameters())
    assert made(4, teacher=False)({"pixels": pixels()}).keys() == {"pixels"}


def test_costs() -> None:
    layer = multiplications(5, 48, 1) * 1e6
    by_hand = 5 * (4 * 48**2 + 2 * 48 * 96) + 2 * 5 * 5 * 48
    assert layer == by_hand
    assert Recipe().cost(16) < Recipe(mask=0.5).cost(16) < Recipe(mask=0.0).cost(16)
    assert Recipe().cost(16) == pytest.approx(3 * multiplications(5, 48, 4) + multiplications(5, 96, 4))
    assert Recipe(mask=0.9).keep(16) == 2
    assert Recipe().steps(200, 16) == 200


def test_a_recipe_like_another_takes_as_many_multiplications() -> None:
    longer = Recipe(at=None, like=Recipe())
    steps = longer.steps(1000, 16)
    assert steps > 2000
    assert steps * longer.cost(16) == pytest.approx(1000 * Recipe().cost(16), rel=1e-3)


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    out = str(tmp_path / "run")
    more = ["--scale", "smoke", "--labels", "1", "--steps", "1", "--before", "1", "--workers", "1", "--out", out]
    assert execute(["run", "dmae", *more, "--device", "cpu"]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == set(ARMS)
    before = {arm: float(arm != "scratch") for arm in ARMS} | {"mae-longer": 2.0}
    assert found.unequal_budgets() == {"unlabelled_steps": before}
    assert found.score("dmae-90", "pre-training") < found.score("dmae", "pre-training")
