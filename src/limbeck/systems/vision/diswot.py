"""DisWOT: which small network will learn most from a teacher, told without training any."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice, product

import numpy as np

from limbeck.evaluation.base import Statistics
from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.models.size import parameters_of
from limbeck.report.plots import scatter
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Measured, measure_all
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.vision.architectures import TEACHER, allowed, scores, search, space
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.measures import right
from limbeck.systems.vision.models import Shape
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, asked_once, trained

KD = {"name": "logits", "temperature": 4.0, "weight": 0.5}  # this weight and that of relations are not tuned
RELATIONS = {
    "name": "relations",
    "student": "stages.2",
    "teacher": "stages.2",
    "relation": "similarity",
    "weight": 100.0,
}
SCORES: Mapping[str, tuple[Role, str]] = {
    "diswot": ("method", "DisWOT"),
    "semantic": ("ablation", "DisWOT, semantics alone"),
    "relation": ("ablation", "DisWOT, relations alone"),
    "params": ("baseline", "number of parameters"),
    "naswot": ("baseline", "NASWOT"),
    "synflow": ("baseline", "SynFlow"),
}
TAU, TAU_LABELS = Mean("tau with KD"), Mean("tau with labels")
SECONDS = Mean("seconds to choose", lower_is_better=True)


@system(
    slug="diswot",
    title="DisWOT: Student Architecture Search for Distillation WithOut Training",
    year=2023,
    arxiv="2303.15678",
    domain="vision",
    needs=("logits", "gradients", "hidden"),
    claim="Likeness of untrained networks' reactions to an untrained teacher's orders students as they learn from it.",
)
def diswot(
    lab: Lab,
    *,
    candidates: int | None = None,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """Small ResNets of three widths and a depth are scored untrained, and trained with and without a teacher.

    ``score = -|G_T - G_S|^2 / C^2 - |R_T - R_S|^2 / B^2`` on a batch, at random weights: G the products of the classes'
    gradients in the head, R those of the items' maps, rows of length 1; means over four batches and first weights.
    Baselines: number of parameters, NASWOT, SynFlow. Candidates are drawn from a band of parameters and all trained;
    each score is judged by Kendall's tau with their accuracies (a candidate's part is its mean agreement with the
    others: the intervals take these as independent and are too narrow), and by the candidate that it puts first.
    Evolution by DisWOT then searches the band; its winner learns with KD, and with relations too (DisWOT+, without the
    paper's correlation of channels). The best by validation pictures stand for searches that train every candidate.

    What the repository calls diswot.py in its predictors is another score, of batch norms; this is the paper's.
    """
    sizes = lab.pick(smoke=Sizes(48, 24, 40, 48), default=Sizes(1000, 1000, 2000), full=Sizes(4000, 2000, 4000, 10_000))
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=1, default=120, full=2000) if steps is None else steps)
    teaching = Budget(lab.pick(smoke=1, default=800, full=8000), lr=2e-3)
    count = candidates or lab.pick(smoke=3, default=16, full=64)
    teacher = image_teacher(lab, TEACHER, image_set(sizes=sizes), teaching)
    findings = Findings()
    for arm, (role, title) in SCORES.items():
        findings.declare(arm, role=role, title=title)
    for arm, title in (("mean", "any candidate"), ("best-labels", "best with labels"), ("best-kd", "best with KD")):
        findings.declare(arm, role="baseline", title=title)
    for arm, title in (("search", "found by evolution"), ("search+", "found by evolution, DisWOT+")):
        findings.declare(arm, role="method", title=title)
    for seed in lab.seeds:
        data = image_set(sizes=replace(sizes, pool=1), seed=seed, judged_by=judged_by).without_pool()
        classes, chance = len(data.classes), random.Random(seed)
        inside = (shape for shape in chance.sample(space(), len(space())) if allowed(shape, classes))
        chosen = list(islice(inside, count))
        scored = {shape: scores(shape, data.train, classes) for shape in chosen}
        lab.say(f"{count} candidates scored, seed {seed}")
        start = time.monotonic()
        found = search(
            data.train, classes, seed=seed, population=lab.pick(smoke=4, default=16, full=36),
            tournament=lab.pick(smoke=2, default=6, full=8), cycles=lab.pick(smoke=2, default=40, full=1000),
        )  # fmt: skip
        searched = time.monotonic() - start
        base = Job("", "baseline", "", seed, TEACHER, data, budget, teacher, device=lab.device)
        ways = {"labels": (), "kd": (KD,)}
        jobs = [replace(base, arm=way, student=one, methods=ways[way]) for one, way in product(chosen, ways)]
        jobs += [
            replace(base, arm=arm, student=found.best, methods=how)
            for arm, how in (("search", (KD,)), ("search+", (KD, RELATIONS)))
        ]
        done = measure_all(lab, jobs, measured, label=_label, workers=workers, ready=asked_once)
        trainings = {(job.arm, job.student): result for job, result in done.items()}
        _judge(findings, seed, scored, trainings, found.best)
        spent = sum(result.spent["seconds"] for (way, _), result in trainings.items() if way == "kd")
        for arm, seconds in (("search", searched), ("best-kd", spent)):
            findings.add(arm, SECONDS, seed, SECONDS.of([seconds]))
        if seed == lab.seeds[0]:
            scatter(
                {way: [(scored[one]["diswot"], _percent(trainings[way, one])) for one in chosen] for way in ways},
                lab.folder("plots") / "candidates.png", x="DisWOT score", y="accuracy",
            )  # fmt: skip
    _claims(findings)
    return findings


def agreement(first: list[float], second: list[float]) -> Statistics:
    """Of each candidate: how often the others lie on the same side of it in both orders, less how often not.

    The mean over candidates is Kendall's tau (a).
    """
    signs = [np.sign(np.subtract.outer(side, side)) for side in (first, second)]
    return TAU.of((signs[0] * signs[1]).sum(1) / max(1, len(first) - 1))


def _label(job: Job) -> str:
    return f"{job.arm} {job.student.widths} x {job.student.depth}, seed {job.seed}"


def measured(job: Job) -> Measured:
    """Accuracy on judging and on validation pictures."""
    network, spent = trained(job)
    columns = {"accuracy": right(network, job.judges, job.device), "val": right(network, job.data.val, job.device)}
    return Measured(columns, spent, parameters_of(network))


def _judge(
    findings: Findings,
    seed: int,
    scored: Mapping[Shape, Mapping[str, float]],
    trainings: Mapping[tuple[str, Shape], Measured],
    winner: Shape,
) -> None:
    shapes, accuracy = list(scored), Accuracy()
    reached = {way: [_percent(trainings[way, one]) for one in shapes] for way in ("kd", "labels")}

    def add(arm: str, result: Measured) -> None:
        findings.add(arm, accuracy, seed, result.columns["accuracy"][1])
        findings.spend(arm, seed, steps=result.spent["steps"], pictures=result.spent["pictures"])

    for score in SCORES:
        values = [scored[one][score] for one in shapes]
        findings.add(score, TAU, seed, agreement(values, reached["kd"]), column=TAU.name)
        findings.add(score, TAU_LABELS, seed, agreement(values, reached["labels"]), column=TAU_LABELS.name)
        add(score, trainings["kd", max(shapes, key=lambda one: scored[one][score])])
    for way in ("labels", "kd"):
        best = max(shapes, key=lambda one: _percent(trainings[way, one], "val"))
        add(f"best-{way}", trainings["kd", best])
    findings.add("mean", TAU, seed, TAU.of(np.zeros(len(shapes))))
    findings.add("best-labels", TAU, seed, agreement(reached["labels"], reached["kd"]))
    every = [trainings["kd", one].columns["accuracy"][1] for one in shapes]
    findings.add("mean", accuracy, seed, np.mean(every, axis=0))
    for arm in ("search", "search+"):
        add(arm, trainings[arm, winner])


def _percent(result: Measured, column: str = "accuracy") -> float:
    metric, statistics = result.columns[column]
    return metric.score(statistics)


def _claims(findings: Findings) -> None:
    findings.claim_all(
        ("DisWOT's score goes with the accuracy after KD", "diswot", "mean", TAU.name),
        ("it goes with it better than the number of parameters", "diswot", "params", TAU.name),
        ("it goes with it better than NASWOT", "diswot", "naswot", TAU.name),
        ("it goes with it better than SynFlow", "diswot", "synflow", TAU.name),
        ("what evolution finds is better than any candidate", "search", "mean", "accuracy"),
        ("the best with KD is better than the best with labels", "best-kd", "best-labels", "accuracy"),
        ("the search takes less time than training all candidates", "search", "best-kd", SECONDS.name),
        ("DisWOT+ is better than KD alone", "search+", "search", "accuracy"),
    )
