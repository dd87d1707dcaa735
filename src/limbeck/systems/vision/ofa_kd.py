"""OFA-KD: a teacher of one family, students of others, and what can be handed over between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.losses.relations import linear_cka
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Measured, measure_all
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.vision.data import DataName, Sizes, image_set
from limbeck.systems.vision.measures import features_of, right
from limbeck.systems.vision.models import SHAPES
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import RATES, Budget, Job, asked_once, trained

TEACHER = SHAPES["resnet-teacher"]
STUDENTS = {family: SHAPES[f"{family}-student"] for family in RATES}
CROSS = ("vit", "mixer")
ALL, SAME = "cross-family accuracy", "same-family accuracy"
CKA_CROSS, CKA_SAME = "cross-family CKA", "same-family CKA"
CKA = Mean("CKA")
FEATURES = {"student": "features", "teacher": "features"}
KD: Mapping[str, Any] = {"name": "logits"}
OFA: Mapping[str, Any] = {"name": "ofa", "stages": ("stages.0", "stages.1", "stages.2")}
ARMS: dict[str, tuple[Role, str, tuple[Mapping[str, Any], ...]]] = {
    "ce": ("baseline", "labels only", ()),
    "kd": ("baseline", "KD", (KD,)),
    "hint": ("baseline", "KD and hint", (KD, {"name": "hidden", "pairs": {"features": "features"}})),
    "rkd": ("baseline", "KD and RKD", (KD, {"name": "relations", **FEATURES, "weight": 10.0})),
    "exits": ("ablation", "exits without enhancement", ({**OFA, "eps": 1.0},)),
    "ofa": ("method", "OFA-KD", ({**OFA, "eps": 1.15},)),
}


@system(
    slug="ofa-kd",
    title="One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation",
    year=2023,
    arxiv="2310.19444",
    domain="vision",
    needs=("logits", "hidden"),
    claim="Between families, exits that learn logits hand over more than hints or logits at the end alone.",
)
def ofa_kd(
    lab: Lab,
    *,
    data: DataName = "world",
    data_dir: str = "",
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A ResNet teaches a small ViT and an MLP-Mixer, and for comparison a small ResNet.

    ``L = CE + OFA(student) + sum_k OFA(exit k)``, ``OFA = -sum_c [(p_c + y_c)^eps - y_c] log q_c``. Each of the three
    stages has an exit that is dropped after the training. Arms: labels; KD at temperature 1; KD with a hint or RKD on
    the features before the head; exits with eps = 1, which is plain KD of every exit; OFA-KD with eps = 1.15 (of 1.15
    and 1.5, by validation pictures). Cross-family accuracy is over the test pictures of the ViT and of the Mixer. The
    diagnosis is the linear CKA of the middle stage with the teacher's, averaged over parts of 200 test pictures.

    Other teachers' families, other values of eps, CIFAR-100 and ImageNet are not repeated.
    """
    sizes = lab.pick(
        smoke=Sizes(train=96, val=32, test=64, pool=128),
        default=Sizes(train=600),
        full=Sizes(train=4000, val=2000, test=4000, pool=10_000),
    )
    at_least(1, steps=steps)
    count = lab.pick(smoke=4, default=400, full=3000) if steps is None else steps
    long = Budget(lab.pick(smoke=4, default=800, full=8000), lr=2e-3)
    pool = image_set(data, replace(sizes, train=1), data_dir=data_dir)
    teacher = image_teacher(lab, TEACHER, pool, long)
    jobs: list[Job] = []
    for seed in lab.seeds:
        mine = image_set(data, sizes, seed=seed, data_dir=data_dir, judged_by=judged_by).without_pool()
        for family, shape in STUDENTS.items():
            budget = Budget(count, lr=RATES[family])
            jobs.append(Job("teacher", "teacher", family, seed, shape, mine, budget, teacher, device=lab.device))
            jobs.extend(
                Job(arm, role, family, seed, shape, mine, budget, teacher, methods, device=lab.device)
                for arm, (role, _, methods) in ARMS.items()
            )
    found = measure_all(
        lab, jobs, measured, label=lambda job: f"{job.arm}, {job.title}, seed {job.seed}", workers=workers,
        ready=asked_once,
    )  # fmt: skip
    findings = _gathered({(job.arm, job.seed, job.title): result for job, result in found.items()}, lab.seeds)
    _claims(findings)
    return findings


def _gathered(found: Mapping[tuple[str, int, str], Measured], seeds: tuple[int, ...]) -> Findings:
    """Each arm's students side by side, those of other families together."""
    findings, accuracy = Findings(), Accuracy()
    findings.declare("teacher", role="teacher", title="the teacher")
    for arm, (role, title, _) in ARMS.items():
        findings.declare(arm, role=role, title=title)
    for arm in findings.arms:
        for seed in seeds:
            columns = {family: found[arm, seed, family].columns for family in STUDENTS}
            for family in CROSS:
                findings.add(arm, accuracy, seed, columns[family][accuracy.name][1], column=f"{family} accuracy")
            # Both families answer the same pictures: a picture is one item, not two.
            both = np.mean([columns[family][accuracy.name][1] for family in CROSS], axis=0)
            findings.add(arm, accuracy, seed, both, column=ALL)
            findings.add(arm, accuracy, seed, columns["resnet"][accuracy.name][1], column=SAME)
            if arm == "teacher":
                continue
            both = np.mean([columns[family][CKA.name][1] for family in CROSS], axis=0)
            findings.add(arm, CKA, seed, both, column=CKA_CROSS)
            findings.add(arm, CKA, seed, columns["resnet"][CKA.name][1], column=CKA_SAME)
            costs = [found[arm, seed, family].spent for family in STUDENTS]
            findings.spend(arm, seed, **{name: sum(one[name] for one in costs) for name in costs[0]})
    return findings


def _claims(findings: Findings) -> None:
    findings.claim_all(
        ("OFA-KD is better than KD across families", "ofa", "kd", ALL),
        ("OFA-KD is better than a hint across families", "ofa", "hint", ALL),
        ("OFA-KD is better than RKD across families", "ofa", "rkd", ALL),
        ("enhancement helps across families", "ofa", "exits", ALL),
        ("a hint helps within a family", "hint", "kd", SAME),
        ("a hint does not help across families", "kd", "hint", ALL),
        ("OFA-KD is better than KD within a family, too", "ofa", "kd", SAME),
        ("KD is better than labels alone across families", "kd", "ce", ALL),
    )


def measured(job: Job) -> Measured:
    """Accuracy, and how alike the middle stages of student and teacher lay out the test pictures."""
    network, spent = trained(job)
    tests = job.judges
    columns = {Accuracy().name: right(network, tests, job.device)}
    if job.role != "teacher":
        assert job.teacher is not None
        ours, theirs = (features_of(one, tests, job.device, "stages.1").flatten(1) for one in (network, job.teacher))
        alike = [1 - float(linear_cka(a, b).total) for a, b in zip(ours.split(200), theirs.split(200), strict=True)]
        columns[CKA.name] = (CKA, CKA.of(alike))
    return Measured(columns, spent, parameters_of(network))
