"""Closed forms against iteration and against numbers that were published with the paper's code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from limbeck.losses.term import Term
from limbeck.systems.findings import Findings
from limbeck.systems.theory.kernel import KernelSelfDistiller, best_weight, gaussian_kernel
from limbeck.systems.theory.pictures import CLASSES, dim_pictures, perceptron
from limbeck.systems.theory.self_distill_gt import MixedTargets, mixed_targets
from tests.cli.toys import limbeck

# fmt: off
Y = np.array([.38476636, 1.23339677, 1.33232242, .69201595, -.29756146, -.24189291, -.79644858, -.96164802, -.49672510,
              -.34690660, .55895127])
TABLE = {
    0.0: (.16477, .15076, .14915, .15561, .16735, .18251, .49505),
    0.25: (.16477, .15309, .14958, .14903, .14946, .15011, .15250),
    0.35: (.16477, .15424, .15089, .14983, .14954, .14948, .14959),  # its README has this row under 0.25
}
# fmt: on
POINTS = np.linspace(0, 1, 101)


def toy() -> KernelSelfDistiller:
    return KernelSelfDistiller(np.linspace(0, 1, 11), Y, gamma=80.0, ridge=0.2)


@pytest.mark.parametrize("weight", TABLE)
def test_published_errors(weight: float) -> None:
    model, truth = toy(), np.sin(2 * np.pi * POINTS)
    for step, expected in zip((1, 2, 3, 4, 5, 6, None), TABLE[weight], strict=True):
        error = ((model.predict(POINTS, step, weight) - truth) ** 2).mean()
        assert error == pytest.approx(expected, abs=6e-6), step


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 1.0])
def test_closed_form_is_iteration(weight: float) -> None:
    model = toy()
    for step in (1, 2, 3, 10):
        expected = model.iterate(POINTS, [weight] * step)
        np.testing.assert_allclose(model.predict(POINTS, step, weight), expected, atol=1e-12)


def test_limit_is_a_ridge_regression_with_another_penalty() -> None:
    model, weight = toy(), 0.3
    kernel = gaussian_kernel(model.x, model.x, 80.0)
    solved = np.linalg.solve(kernel + 0.2 / weight * np.eye(11), Y)
    expected = gaussian_kernel(POINTS, model.x, 80.0) @ solved
    np.testing.assert_allclose(model.predict(POINTS, None, weight), expected, atol=1e-12)
    np.testing.assert_allclose(model.predict(POINTS, 300, weight), expected, atol=1e-12)
    np.testing.assert_allclose(model.predict(POINTS, None, 0.0), 0.0, atol=1e-15)


def test_best_weight_against_a_fine_grid() -> None:
    model, random = toy(), np.random.default_rng(0)
    for _ in range(20):
        truth = np.sin(2 * np.pi * POINTS) + 0.3 * random.standard_normal(101)
        ours, theirs = model.iterate(POINTS, [1.0, 1.0]), model.iterate(POINTS, [1.0, 0.0])
        weights = np.linspace(-3, 3, 6001)
        errors = [((w * ours + (1 - w) * theirs - truth) ** 2).sum() for w in weights]
        chosen = best_weight(truth, ours, theirs, clip=False)
        assert abs(chosen - weights[int(np.argmin(errors))]) <= 1e-3
        assert best_weight(truth, ours, theirs) == min(max(chosen, 0.0), 1.0)
    assert best_weight(truth, ours, ours) == 1.0


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="ridge must be positive, got 0"):
        KernelSelfDistiller(POINTS, POINTS, gamma=1.0, ridge=0)
    with pytest.raises(ValueError, match=r"got \(101,\) and \(11,\)"):
        KernelSelfDistiller(POINTS, Y, gamma=1.0, ridge=1)


def test_gradient_is_that_of_two_weighted_errors() -> None:
    torch.manual_seed(0)
    pictures, network = dim_pictures("train", 12), perceptron(5)
    previous = torch.rand(12, CLASSES).softmax(-1)
    task = MixedTargets(network, penalty=0.0)

    def gradient(term: Term) -> torch.Tensor:
        return torch.autograd.grad(term.mean(), next(network.parameters()))[0]

    mixed = {"x": pictures.x, "targets": mixed_targets(pictures.y, previous, 0.3)}
    parts = [{"x": pictures.x, "targets": mixed_targets(pictures.y, previous, weight)} for weight in (1.0, 0.0)]
    apart = [gradient(task(part)["squares"]) for part in parts]
    torch.testing.assert_close(gradient(task(mixed)["squares"]), 0.3 * apart[0] + 0.7 * apart[1])
    norms = sum(float(parameter.detach().norm()) for parameter in network.parameters())
    assert float(task(mixed)["norms"].mean().detach()) == pytest.approx(norms, rel=1e-6)


def test_run(tmp_path: Path) -> None:
    more = ("--scale", "smoke", "--generations", 2, "--workers", 1, "--device", "cpu", "--out", tmp_path / "run")
    done = limbeck("run", "self-distill-gt", *more)
    assert done.returncode == 0, done.stderr
    found = Findings.load(tmp_path / "run")
    assert list(found.arms) == ["a=0", "a=0.25", "a=0.5", "a=1", "formula", "grid"]
    assert found.statistics("a=0", "error, limit").shape == (1, 10, 2)
    # The first generation is the same whatever follows; the second is not.
    for number, same in ((1, True), (2, False)):
        none, all_labels = (found.statistics(f"a={a}", f"accuracy, generation {number}") for a in (0, 1))
        assert np.array_equal(none, all_labels) == same
    assert found.score("a=1", "error, step 1") == pytest.approx(found.score("a=1", "error, limit"), rel=1e-9)
    assert [judged.verdict for judged in found.verdicts()][1] == "holds"
    assert not found.unequal_budgets()
