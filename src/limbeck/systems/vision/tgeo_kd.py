"""TGeo-KD: a teacher that has never seen some of the classes, and students that must find out whom to trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.methods.tgeo import TrilateralFusion
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.taught import said_by
from limbeck.systems.vision.data import DataName, ImageSet, Sizes, image_set
from limbeck.systems.vision.measures import right
from limbeck.systems.vision.models import SHAPES
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, Keeper, run_all, trained

TEACHER, STUDENT = SHAPES["resnet-teacher"], SHAPES["resnet-student"]
GAP = Mean("trust gap")
FIXED = (0.3, 0.5, 0.7)
LEARNED: Mapping[str, Any] = {"weighting": "learned", "lr": 0.01, "every": 4}
ARMS: dict[str, tuple[Role, str, Mapping[str, Any]]] = {
    "ce": ("baseline", "share 0: labels only", {"weighting": "fixed", "alpha": 0.0}),
    **{
        f"fixed-{alpha}": ("baseline", f"share {alpha}", {"weighting": "fixed", "alpha": alpha})
        for alpha in FIXED
    },
    "annealed": ("baseline", "share that falls", {"weighting": "annealed"}),
    "teacher-loss": ("baseline", "by the teacher's loss", {"weighting": "teacher-loss"}),
    "loss-ratio": ("baseline", "by the ratio of losses", {"weighting": "loss-ratio"}),
    "tgeo": ("method", "TGeo-KD", LEARNED),
    "tgeo-without-means": ("ablation", "TGeo-KD without class means", {**LEARNED, "state": "without-means"}),
    "tgeo-truth-edges": ("ablation", "TGeo-KD by S-G and T-G alone", {**LEARNED, "state": "truth-edges"}),
}  # fmt: skip
BEST_FIXED = "ce"
"""The best of the shares for all on validation pictures: none, since a quarter of what the teacher says is wrong."""


@system(
    slug="tgeo-kd",
    title="Less or More From Teacher: Exploiting Trilateral Geometry For Knowledge Distillation",
    year=2024,
    arxiv="2312.15112",
    domain="vision",
    needs=("logits",),
    claim="A share of the teacher for each item, learnt from student, teacher and truth, beats one share for all.",
)
def tgeo_kd(
    lab: Lab,
    *,
    data: DataName = "world",
    data_dir: str = "",
    unknown: int = 3,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A wide ResNet that never saw the last few classes teaches a narrow one, which needs them all.

    ``L_i = a_i T^2 KL + (1 - a_i) CE``. Arms: labels; the same share for all (0.3, 0.5, 0.7); a share that falls
    from 1 to 0; shares by the teacher's loss or by the ratio of both losses; TGeo-KD, whose shares a small network
    learns from the triangle of student, teacher and truth, by held-out items after an unrolled step; TGeo-KD without
    the class means, or by two edges alone. A sixth of the pictures is held out for that network; the other arms learn
    from these, too. The trust gap is the mean share where the teacher is right on test pictures, less that where it is
    wrong.

    The released script gives its network no gradient; here it gets one through the student's step. The paper's data
    (CIFAR-100, ImageNet, HIL, Criteo), outliers, and learnt weights as in RW-KD are not repeated.
    """
    sizes = lab.pick(
        smoke=Sizes(train=96, val=32, test=64, pool=128),
        default=Sizes(train=1200),
        full=Sizes(train=4000, val=2000, test=4000, pool=10_000),
    )
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=4, default=200, full=3000) if steps is None else steps)
    long = Budget(lab.pick(smoke=4, default=600, full=8000), lr=2e-3)
    findings, jobs = Findings(), []
    pool = image_set(data, replace(sizes, train=1), data_dir=data_dir)
    known = pool.pool.at(pool.pool.labels < len(pool.classes) - unknown)
    teacher = image_teacher(lab, TEACHER, pool, long, pictures=known)
    for seed in lab.seeds:
        mine = image_set(data, sizes, seed=seed, data_dir=data_dir, judged_by=judged_by).without_pool()
        cut = part(mine)
        jobs.append(Job("teacher", "teacher", "the teacher", seed, TEACHER, mine, budget, teacher, device=lab.device))
        for arm, (role, title, settings) in ARMS.items():
            learned = settings["weighting"] == "learned"
            method = {"name": "tgeo", "classes": len(mine.classes), **settings}
            jobs.append(
                Job(
                    arm, role, title, seed, STUDENT, cut.without_pool() if learned else mine, budget, teacher,
                    (method,), label_weight=0.0, held=cut.pool if learned else None, device=lab.device,
                )
            )  # fmt: skip
    run_all(lab, findings, jobs, workers, run=measured)
    _claims(findings)
    return findings


def _claims(findings: Findings) -> None:
    accuracy = Accuracy().name
    findings.claim_all(
        ("TGeo-KD is better than the best share for all", "tgeo", BEST_FIXED, accuracy),
        ("TGeo-KD is better than shares by the ratio of losses", "tgeo", "loss-ratio", accuracy),
        ("TGeo-KD is better than shares by the teacher's loss", "tgeo", "teacher-loss", accuracy),
        ("TGeo-KD is better than a share that falls", "tgeo", "annealed", accuracy),
        ("TGeo-KD trusts the teacher more where it is right", "tgeo", BEST_FIXED, GAP.name),
        ("class means do no harm (within 0.5 points)", "tgeo", "tgeo-without-means", accuracy, -0.5),
        ("the whole triangle is better than two edges", "tgeo", "tgeo-truth-edges", accuracy),
        ("TGeo-KD is better than a share of 0.3 for all", "tgeo", "fixed-0.3", accuracy),
    )


def part(data: ImageSet) -> ImageSet:
    """Five sixths of the training pictures to learn from; the others, held out, in the place of the pool."""
    first = len(data.train) * 5 // 6
    return replace(data, train=data.train.at(slice(0, first)), pool=data.train.at(slice(first, len(data.train))))


def measured(job: Job) -> Measured:
    """Accuracy, and how much more the teacher counts where it is right than where it is wrong."""
    keeper, tests = Keeper(TrilateralFusion), job.judges
    network, spent = trained(job, keeper)
    columns = {Accuracy().name: right(network, tests, job.device)}
    if keeper.method is not None:
        assert job.teacher is not None
        ours, theirs = (said_by(one, tests.pixels, device=job.device) for one in (network, job.teacher))
        shares = keeper.method.cpu().shares(ours, theirs, tests.labels)
        knows = (theirs.argmax(-1) == tests.labels).to(shares)
        rate = float(knows.mean())
        gap = shares * (knows / max(rate, 1e-9) - (1 - knows) / max(1 - rate, 1e-9))
        columns[GAP.name] = (GAP, GAP.of(gap.tolist()))
    return Measured(columns, spent, parameters_of(network))
