"""HARD: a teacher that knows things wherever they stand, and students that see them in the middle alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.methods.hard import HardAugmentation
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.taught import said_by
from limbeck.systems.vision.data import DataName, Pictures, Sizes, image_set
from limbeck.systems.vision.measures import right
from limbeck.systems.vision.models import SHAPES
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, Keeper, run_all, trained

TEACHER, STUDENT = SHAPES["resnet-teacher"], SHAPES["resnet-student"]
MOVED, TURNED = "accuracy, moved", "accuracy, rotated"
ELSEWHERE, AGREEMENT, SHIFT = Accuracy("accuracy, elsewhere"), Accuracy("agreement, moved"), Mean("learnt shift")
HARD: Mapping[str, Any] = {
    "name": "hard", "temperature": 2.0, "every": 2, "bound": 3.0, "start": 0.2, "stability": 0.1,
}  # fmt: skip
"""By validation pictures: start, bound and stability of two or three values each, and so are student and steps."""
ARMS: dict[str, tuple[Role, str, Mapping[str, Any]]] = {
    "kd": ("baseline", "KD", {"family": "none"}),
    "noise": ("baseline", "KD and noise", {"family": "noise", "start": 0.3, "learn": False}),
    "shifts": (
        "baseline",
        "KD and random shifts",
        {"start": {"shift": 0.4, "rotation": 0.01, "scale": 0.01}, "learn": False},
    ),
    "fixed": ("baseline", "KD and the maps that HARD starts from", {"learn": False}),
    "hard": ("method", "HARD", {}),
    "hard-mix": ("ablation", "HARD by mixing", {"family": "mix"}),
    "hard-unstable": ("ablation", "HARD, whatever the teacher says", {"stability": 0.0}),
    "hard-agreeing": ("ablation", "HARD without disagreement", {"disagreement": 0.0}),
}


@system(
    slug="hard",
    title="HARD: Hard Augmentations for Robust Distillation",
    year=2023,
    arxiv="2305.14890",
    domain="vision",
    needs=("logits",),
    claim="An augmenter that learns where student and teacher differ hands over what the data alone does not show.",
)
def hard(
    lab: Lab,
    *,
    data: DataName = "world",
    data_dir: str = "",
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A ResNet that has seen things moved and turned teaches a smaller one, which sees them upright in the middle.

    ``L = T^2 KL(T(x), S(x)) + T^2 KL(T(x~), S(x~))``, without labels; ``x~`` is by an augmenter whose ranges learn to
    maximise ``KL(T(x~), S(x~)) - 0.1 KL(T(x), T(x~))``. Arms: KD on the same pictures twice; noise; random shifts of
    up to a fifth of the side, which is what half of the test asks for; the affine maps that HARD starts from; HARD by
    affine maps, by mixing, without a bound on what the teacher says, and without disagreement. All arms pass each batch
    twice through both networks; those whose augmenter learns pass every second batch once more. Measured are accuracy
    on centred, moved and rotated test pictures (the last two together: elsewhere), the agreement with the teacher on
    moved ones, and the shift that the augmenter has come to, in sides of the picture.

    The equations are from memory of the paper, whose code was not found: the switch's bounds are ours. Generative
    augmenters, CIFAR-10 and ImageNet are not repeated.
    """
    sizes = lab.pick(
        smoke=Sizes(train=96, val=32, test=64, pool=96),
        default=Sizes(pool=4000),
        full=Sizes(train=4000, val=2000, test=4000, pool=10_000),
    )
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=4, default=700, full=3000) if steps is None else steps, lr=2e-3)
    long = Budget(lab.pick(smoke=4, default=1600, full=8000), lr=2e-3)
    centred: dict[str, Any] = {"wander": 0.0} if data == "world" else {}
    findings, jobs = Findings(), []
    pool = image_set(data, replace(sizes, train=1), data_dir=data_dir, **centred)
    teacher = image_teacher(lab, TEACHER, pool, long, pictures=everywhere(pool.pool))
    for seed in lab.seeds:
        mine = image_set(data, sizes, seed=seed, data_dir=data_dir, **centred, judged_by=judged_by).without_pool()
        jobs.append(Job("teacher", "teacher", "the teacher", seed, TEACHER, mine, budget, teacher, device=lab.device))
        for arm, (role, title, settings) in ARMS.items():
            methods = ({**HARD, **settings},)
            jobs.append(
                Job(
                    arm, role, title, seed, STUDENT, mine, budget, teacher, methods, label_weight=0.0,
                    device=lab.device,
                )
            )  # fmt: skip
    run_all(lab, findings, jobs, workers, run=measured)
    _claims(findings)
    return findings


def _claims(findings: Findings) -> None:
    findings.claim_all(
        ("HARD is better than KD on pictures moved or rotated", "hard", "kd", ELSEWHERE.name),
        ("HARD is better than noise on them", "hard", "noise", ELSEWHERE.name),
        ("HARD is better than the maps that it starts from on them", "hard", "fixed", ELSEWHERE.name),
        ("HARD is better than KD on moved pictures", "hard", "kd", MOVED),
        ("HARD comes near random shifts on moved pictures (within 3 points)", "hard", "shifts", MOVED, -3.0),
        ("HARD is better than KD on rotated pictures", "hard", "kd", TURNED),
        ("HARD costs little on centred pictures (within 2 points)", "hard", "kd", Accuracy().name, -2.0),
        ("HARD agrees more with the teacher on moved pictures than KD", "hard", "kd", AGREEMENT.name),
        ("disagreement widens the shifts", "hard", "hard-agreeing", SHIFT.name),
        ("without a bound the shifts grow on", "hard-unstable", "hard", SHIFT.name),
    )


def everywhere(pictures: Pictures, moves: int = 4, turns: int = 2) -> Pictures:
    """The pictures as they are, moved some times, and rotated some times."""
    moved = [pictures.shifted("moved", seed=seed) for seed in range(moves)]
    rotated = [pictures.shifted("rotated", seed=seed) for seed in range(turns)]
    every = (pictures, *moved, *rotated)
    return Pictures(torch.cat([one.images for one in every]), torch.cat([one.labels for one in every]))


def measured(job: Job) -> Measured:
    """Accuracy where things stand in the middle, are moved or rotated, agreement, and the learnt shift."""
    assert job.teacher is not None
    keeper = Keeper(HardAugmentation)
    network, spent = trained(job, keeper)
    tests = job.judges
    moved, rotated = tests.shifted("moved"), tests.shifted("rotated")
    elsewhere = [right(network, one, job.device) for one in (moved, rotated)]
    ours, theirs = (said_by(one, moved.pixels, device=job.device).argmax(-1) for one in (network, job.teacher))
    columns = {
        Accuracy().name: right(network, tests, job.device),
        ELSEWHERE.name: (ELSEWHERE, np.mean([statistics for _, statistics in elsewhere], axis=0)),
        MOVED: elsewhere[0],
        TURNED: elsewhere[1],
        AGREEMENT.name: (AGREEMENT, AGREEMENT.statistics(ours.tolist(), theirs.tolist())),
    }
    if keeper.method is not None and keeper.method.augmenter.family == "affine":
        columns[SHIFT.name] = (SHIFT, SHIFT.of([keeper.method.augmenter.ranges()["shift"]]))
    if keeper.method is not None:
        learning = 1 / keeper.method.every if keeper.method.learn else 0
        spent = spent | {"passes": spent["steps"] * (2 + learning)}
    return Measured(columns, spent, parameters_of(network))
