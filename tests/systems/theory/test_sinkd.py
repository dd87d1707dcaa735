"""The transport term is part of the loss; what saturates as supports part; a small run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from limbeck.methods.sinkd import SinkhornDistillation
from limbeck.signals import Signals
from limbeck.systems.findings import Findings
from limbeck.systems.taught import Taught
from limbeck.systems.theory.sinkd import ARMS, SCALES, divergences_apart
from tests.cli.toys import limbeck


def gradient(arm: str, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    task = Taught(network, ("x",), ARMS[arm][2](1.0))
    loss = torch.stack([task.weights[name] * term.mean() for name, term in task(batch).items()]).sum()
    return torch.autograd.grad(loss, next(network.parameters()))[0]


def test_the_term_reaches_the_gradient_and_is_added_to_others() -> None:
    torch.manual_seed(0)
    network = nn.Linear(3, 4)
    batch = {"x": torch.randn(6, 3), "labels": torch.randint(0, 4, (6,)), "teacher": torch.randn(6, 4)}
    labels, kl, batchwise, both = (
        gradient(arm, network, batch) for arm in ("ce", "kl", "sinkhorn-batch", "kl-sinkhorn")
    )
    assert (batchwise - labels).abs().max() > 1e-3
    torch.testing.assert_close(both - labels, (batchwise - labels) + (kl - labels))
    assert not torch.allclose(batchwise, gradient("sinkhorn-sample", network, batch))


def test_one_sample_is_a_batch_of_its_own() -> None:
    torch.manual_seed(0)
    student, teacher = Signals(logits=torch.randn(1, 5)), Signals(logits=torch.randn(1, 5))
    grains = (SinkhornDistillation(grain="sample"), SinkhornDistillation(grain="batch"))
    sample, batch = (method(student, teacher, {})["sinkhorn"] for method in grains)
    torch.testing.assert_close(sample.mean(), batch.mean())


def test_against_the_equation() -> None:
    """Rows, then columns, of ``exp(-W / eps)`` twenty times; both sides at temperature 2."""
    random = np.random.default_rng(0)
    z, t = random.standard_normal((2, 6, 5))
    q, p = (np.exp(side / 2) / np.exp(side / 2).sum(1, keepdims=True) for side in (z, t))
    cost = np.abs(q[:, None] - p[None]).sum(-1)
    plan = np.exp(-cost / 0.1)
    for _ in range(20):
        plan /= plan.sum(1, keepdims=True)
        plan /= plan.sum(0, keepdims=True)
    method = SinkhornDistillation()
    term = method(Signals(logits=torch.from_numpy(z)), Signals(logits=torch.from_numpy(t)), {})["sinkhorn"]
    assert float(term.total) == pytest.approx((plan * cost).sum(), rel=1e-9)
    assert float(term.count) == 6


def test_js_and_the_paper_s_cost_saturate_and_a_metric_between_classes_does_not() -> None:
    near, far = divergences_apart(6.0), divergences_apart(12.0)
    for name, most in (("JS", math.log(2)), ("Sinkhorn with |q - p|_1", 2.0)):
        value, slope = far[name]
        assert value == pytest.approx(most, abs=1e-6), name
        assert abs(slope) < 1e-6 < abs(near[name][1]), name
    value, slope = far["Sinkhorn over ordered classes"]
    assert value == pytest.approx(12.0, abs=0.1)
    assert slope == pytest.approx(1.0, abs=0.05)


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    more = ("--scale", "smoke", "--steps", 5, "--workers", 1, "--device", "cpu", "--out", tmp_path / "run")
    done = limbeck("run", "sinkd", *more)
    assert done.returncode == 0, done.stderr
    found = Findings.load(tmp_path / "run")
    assert list(found.arms) == ["teacher", *ARMS]
    assert not found.unequal_budgets()
    assert {found.budget(arm)["steps"] for arm in ARMS} == {5 * len(SCALES)}
    assert {found.arms[arm].parameters for arm in ARMS} == {64 * 8 + 8 + 8 * 8 + 8}
    assert found.statistics("kl", "accuracy").shape == (1, 200, 2)
