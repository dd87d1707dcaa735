"""Self-distillation with ground truth: how much of the labels the next generation should see."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.losses.term import Term
from limbeck.systems.findings import Arm, Findings
from limbeck.systems.lab import Lab
from limbeck.systems.measured import Column, Measured, run_all
from limbeck.systems.options import at_least, between
from limbeck.systems.registry import system
from limbeck.systems.tables import Table
from limbeck.systems.theory.kernel import Array, KernelSelfDistiller, best_weight
from limbeck.systems.theory.pictures import CLASSES, Pictures, dim_pictures, perceptron
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.seed import set_seed
from limbeck.training.task import Task

ARMS = {
    0.0: Arm("a=0", "no labels, a = 0", "ablation"),
    0.25: Arm("a=0.25", "a = 0.25", "method"),
    0.5: Arm("a=0.5", "a = 0.5", "method"),
    1.0: Arm("a=1", "labels only, a = 1", "baseline"),
}
"""By the share of the labels."""
STEPS = 6
GRID = np.linspace(0, 1, 21)
ERROR = Mean("squared error", scale=100.0, lower_is_better=True)


@system(
    slug="self-distill-gt",
    title="Even your Teacher Needs Guidance: Ground-Truth Targets Dampen Regularization Imposed by Self-Distillation",
    year=2021,
    arxiv="2102.13088",
    domain="theory",
    needs=("logits",),
    claim="Self-distillation without labels collapses, with some it does not, and the best share has a closed form.",
)
def self_distill_gt(
    lab: Lab,
    *,
    noise: float = 0.5,
    wrong_labels: float = 0.4,
    generations: int = 5,
    steps: int | None = None,
    workers: int | None = None,
) -> Findings:
    """A model teaches its own next generation, on targets that are mixed with a share ``a`` of the ground truth.

    Kernel ridge regression has closed forms (`limbeck.systems.theory.kernel`): step t fits
    ``a y + (1 - a) y_{t-1}``; its limit is ridge regression with penalty ``lambda / a``; and the weight that is best on
    held-out data is ``<y - w, u - w> / |u - w|^2`` for the predictions u, w of the models that were fitted to y and to
    y_{t-1}. Items are data sets of 20 points of a sine with `--noise`, and the score is 100 times the squared error
    against the sine without noise.

    Networks (one hidden layer, `--wrong-labels` of 600 labels replaced) minimise
    ``mean (softmax - (a onehot + (1 - a) previous softmax))^2 + 1e-4 sum of norms`` over their parameters: the gradient
    is that of the weighted sum of both squared errors. All generations start anew and train for the same number of
    steps. The paper's residual networks on CIFAR-10 are not repeated here.
    """
    at_least(1, steps=steps, generations=generations)
    at_least(0, noise=noise)
    between(0, 1, wrong_labels=wrong_labels)
    draws = lab.pick(smoke=10, default=50, full=500)
    length = lab.pick(smoke=20, default=600, full=3000) if steps is None else steps
    findings = Findings()
    for each in ARMS.values():
        findings.declare(each.name, role=each.role, title=each.title)
    findings.declare("formula", role="method", title="best a by the formula")
    findings.declare("grid", role="baseline", title="best a of a grid of 21")
    for seed in lab.seeds:
        for (arm, column), errors in _kernel(seed, draws, noise).items():
            findings.add(arm, ERROR, seed, ERROR.of(errors), column=column)
    lab.say(f"kernel ridge regression: {draws} data sets a seed")

    jobs = [_Line(weight, seed, wrong_labels, generations, length, lab.device) for seed in lab.seeds for weight in ARMS]
    run_all(lab, findings, jobs, _train, arm=lambda line: ARMS[line.weight], workers=workers)
    _claims(findings, generations)
    findings.notes.append("squared errors are of kernel ridge regression, accuracies of networks with wrong labels")
    findings.notes.append(f"at each step the formula needs 2 fits, the grid {len(GRID)}")
    return findings


def _claims(findings: Findings, generations: int) -> None:
    last = f"accuracy, generation {generations}"
    none, some, plain = _arm(0.0), _arm(0.25), _arm(1.0)
    networks, as_good = "networks with wrong labels:", "is as good as the grid's (within 0.1)"
    findings.claim_all(
        ("without labels, a second step improves on one fit", none, plain, "error, step 2"),
        ("without labels, it collapses in the limit: one fit is better", plain, none, "error, limit"),
        ("with a quarter of labels, the limit is better than one fit", some, plain, "error, limit"),
        (f"the formula's weight at step 2 {as_good}", "formula", "grid", "error, step 2", -0.1),
        (f"the formula's weight at step {STEPS} {as_good}", "formula", "grid", f"error, step {STEPS}", -0.1),
        (f"{networks} the last generation with a quarter of labels beats labels only", some, plain, last),
        (f"{networks} a quarter of labels is no worse than none (within 1 point)", some, none, last, -1.0),
    )


def _arm(weight: float) -> str:
    return ARMS[weight].name


def _kernel(seed: int, draws: int, noise: float) -> dict[tuple[str, str], list[float]]:
    """Squared errors of every arm and step, one a data set."""
    found: dict[tuple[str, str], list[float]] = {}
    grid = np.linspace(0, 1, 101)
    truth = np.sin(2 * np.pi * grid)
    for draw in range(draws):
        random = np.random.default_rng([seed, draw])
        x, held_out = random.random(20), random.random(20)
        y, wanted = (np.sin(2 * np.pi * at) + noise * random.standard_normal(20) for at in (x, held_out))
        model = KernelSelfDistiller(x, y, gamma=80.0, ridge=0.2)

        def note(arm: str, column: str, predicted: Array) -> None:
            found.setdefault((arm, f"error, {column}"), []).append(float(((predicted - truth) ** 2).mean()))

        for weight in ARMS:
            for step in range(1, STEPS + 1):
                note(_arm(weight), f"step {step}", model.predict(grid, step, weight))
            note(_arm(weight), "limit", model.predict(grid, None, weight))
        # Either chooses its weight at each step on held-out points, given its own steps before.
        for arm in ("formula", "grid"):
            chosen = [1.0]  # at the first step there is but the ground truth
            for step in range(2, STEPS + 1):
                of_truth, of_previous = (model.iterate(held_out, [*chosen, weight]) for weight in (1.0, 0.0))
                if arm == "formula":
                    weight = best_weight(wanted, of_truth, of_previous)
                else:
                    tried = [((model.iterate(held_out, [*chosen, one]) - wanted) ** 2).sum() for one in GRID]
                    weight = float(GRID[int(np.argmin(tried))])
                chosen.append(weight)
                note(arm, f"step {step}", model.iterate(grid, chosen))
    return found


@dataclass(frozen=True)
class _Line:
    """A line of generations."""

    weight: float
    seed: int
    wrong_labels: float
    generations: int
    steps: int
    device: str


class MixedTargets(Task):
    """A network that is fitted to given distributions by squared error, with a penalty on its norms.

    Args:
        network: Gives logits.
        penalty: Weight of the sum of the norms of its parameters.
    """

    def __init__(self, network: nn.Module, penalty: float = 1e-4) -> None:
        super().__init__({"squares": 1.0, "norms": penalty})
        self.network = network

    def forward(self, batch: Batch) -> dict[str, Term]:
        """``squares`` over items and classes, ``norms`` over batches."""
        off = self.network(batch["x"]).softmax(-1) - batch["targets"]
        norms = torch.stack([parameter.norm() for parameter in self.network.parameters()])
        return {"squares": Term.over(off.square()), "norms": Term.over(norms.sum().unsqueeze(0))}


def mixed_targets(labels: Tensor, previous: Tensor | None, weight: float) -> Tensor:
    """``a onehot + (1 - a) previous``; the first generation sees labels alone.

    Args:
        labels: ``(items,)``.
        previous: The previous generation's distributions, ``(items, classes)``.
        weight: The share a of the labels.
    """
    truth = F.one_hot(labels, CLASSES).float()
    return truth if previous is None else weight * truth + (1 - weight) * previous


def _train(line: _Line) -> Measured:
    """Each generation on the test."""
    started = time.perf_counter()
    train, test = _spoilt(line), dim_pictures("test", 1000)
    accuracy, previous = Accuracy(), None
    columns: dict[str, Column] = {}
    for generation in range(line.generations):
        set_seed(line.seed, generation)
        task = MixedTargets(perceptron(128)).to(line.device)
        targets = mixed_targets(train.y, previous, line.weight)
        loader = Table(x=train.x, targets=targets).batches(50)
        plan = Plan(lr=3e-3, max_steps=line.steps, seed=line.seed)
        fit(task, loader, plan, accelerator=accelerator_on(line.device), progress=False)
        with torch.no_grad():
            previous = task.network(train.x.to(line.device)).softmax(-1).cpu()
            said = task.network(test.x.to(line.device)).argmax(-1).cpu()
        statistics = accuracy.statistics(said.tolist(), test.y.tolist())
        columns[f"accuracy, generation {generation + 1}"] = accuracy, statistics
    return Measured(columns, {"steps": line.steps * line.generations, "seconds": time.perf_counter() - started})


def _spoilt(line: _Line) -> Pictures:
    """Training pictures of which some have another label, the same for all arms of a seed."""
    pictures = dim_pictures("train", 600, start=600 * line.seed)
    random = np.random.default_rng([line.seed, 600])
    wrong = random.random(600) < line.wrong_labels
    other = (pictures.y.numpy() + random.integers(1, CLASSES, 600)) % CLASSES
    return Pictures(pictures.x, torch.from_numpy(np.where(wrong, other, pictures.y.numpy())))
