"""`limbeck run taid`, and how its target moves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from limbeck.distill.task import DistillTask
from limbeck.losses.taid import interpolated_target
from limbeck.methods.taid import TemporallyAdaptiveDistillation
from limbeck.signals import Signals
from limbeck.systems.language.taid import ARMS
from limbeck.systems.language.training import train
from limbeck.training.callbacks import Callback, Progress
from tests.systems.language.toys import job, smoke


class Shares(Callback):
    """Notes the teacher's share after each step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_log(self, progress: Progress, row: Mapping[str, float]) -> None:
        assert isinstance(progress.task, DistillTask)
        method = progress.task.method
        assert isinstance(method, TemporallyAdaptiveDistillation)
        self.seen.append(float(method.t))


def shares(name: str, cache: Path, steps: int = 20) -> list[float]:
    arm = next(arm for arm in ARMS if arm.name == name)
    one, notes = job(arm, cache, steps=steps), Shares()
    train(one, one.ask(), notes)
    return notes.seen


def test_the_share_never_falls_and_stays_above_the_line(cache: Path) -> None:
    adaptive, linear = shares("taid", cache), shares("taid-linear", cache)
    assert adaptive == sorted(adaptive)
    # The first loss has none to be compared with, and leaves the share as it is.
    assert adaptive[0] == 0.4
    assert all(t >= line - 1e-9 for t, line in zip(adaptive[1:], linear[1:], strict=True))
    assert linear[0] == pytest.approx(0.4 + 0.6 * 1 / 20)
    assert linear[-1] == pytest.approx(0.4 + 0.6 * 19 / 20)
    assert set(shares("taid-fixed", cache)) == {0.5}


def test_the_student_gets_no_gradient_through_the_target() -> None:
    """The gradient is ``softmax(z) - target``; with a gradient through the target there would be a second part."""
    generator = torch.Generator().manual_seed(0)
    ours, theirs = torch.randn(2, 3, 4, 7, generator=generator, dtype=torch.float64)
    ours.requires_grad_()
    method = TemporallyAdaptiveDistillation(t_start=0.3, t_end=0.3, adaptive=False)
    method(Signals(logits=ours), Signals(logits=theirs), {})["taid"].total.backward()
    target = interpolated_target(ours, theirs, 0.3).exp()
    assert ours.grad is not None
    torch.testing.assert_close(ours.grad, ours.detach().softmax(-1) - target)


def test_smoke(cache: Path, tmp_path: Path) -> None:
    found = smoke("taid", tmp_path, "--teacher-widths", "[8, 16]")
    expected = {arm.name for arm in ARMS} | {"teacher-of-8", "forward-kl-of-8", "taid-of-8"}
    assert set(found.arms) == expected
    assert found.unequal_budgets() == {}
    assert found.score("teacher", "KL to the teacher") == pytest.approx(0.0, abs=1e-6)
    parameters: dict[Any, int | None] = {name: arm.parameters for name, arm in found.arms.items()}
    assert len({parameters[name] for name in expected if not name.startswith("teacher")}) == 1
    assert [claim.baseline for claim in found.claims] == [
        "forward-kl",
        "forward-kl",
        "reverse-kl",
        "reverse-kl",
        "ce",
        "taid-linear",
        "taid-fixed",
        "taid-of-8",
    ]
