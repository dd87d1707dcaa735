"""TRG: relations among tokens, on data in which some classes are rare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from limbeck.evaluation.metrics import Accuracy
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Column, Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.vision.data import DataName, ImageSet, Sizes, image_set
from limbeck.systems.vision.measures import right
from limbeck.systems.vision.models import SHAPES
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, run_all, trained

TEACHER, STUDENT = SHAPES["resnet-teacher"], SHAPES["resnet-student"]
SITES = {"student": "stages.1", "teacher": "stages.1"}
"""Maps of 4 x 4 places: the last that have more than four tokens."""
MANY, FEW = "many-shot accuracy", "few-shot accuracy"

# By validation pictures: RKD and SP from two values each, TRG from four settings of its three weights, and from two
# falls of its temperature.
KD: Mapping[str, Any] = {"name": "logits", "temperature": 4.0}
TRG: Mapping[str, Any] = {
    "name": "trg", **SITES, "inner": 30.0, "local": 100.0, "contrast": 3.0, "start": 0.3, "end": 0.15,
}  # fmt: skip
ARMS: dict[str, tuple[Role, str, tuple[Mapping[str, Any], ...]]] = {
    "ce": ("baseline", "labels only", ()),
    "kd": ("baseline", "KD", (KD,)),
    "rkd": ("baseline", "KD and RKD", (KD, {"name": "relations", **SITES, "weight": 50.0})),
    "sp": ("baseline", "KD and SP", (KD, {"name": "relations", **SITES, "relation": "similarity", "weight": 1000.0})),
    "trg": ("method", "KD and TRG", (KD, TRG)),
    "trg-without-inner": ("ablation", "TRG without the inner term", (KD, {**TRG, "inner": 0.0})),
    "trg-without-local": ("ablation", "TRG without the local term", (KD, {**TRG, "local": 0.0})),
    "trg-without-global": ("ablation", "TRG without the global term", (KD, {**TRG, "contrast": 0.0})),
    "trg-fixed": ("ablation", "TRG at one temperature", (KD, {**TRG, "start": 0.2, "end": 0.2})),
}
EVEN = ("kd", "rkd", "trg")
"""Arms that also learn from as many pictures of which all classes have the same share."""


@system(
    slug="trg",
    title="Knowledge Distillation via Token-level Relationship Graph",
    year=2023,
    arxiv="2306.12442",
    domain="vision",
    needs=("logits", "hidden"),
    claim="Relations among tokens teach more than relations among pictures, most of all about rare classes.",
)
def trg(
    lab: Lab,
    *,
    data: DataName = "world",
    data_dir: str = "",
    factor: float = 50.0,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A wide ResNet teaches a narrow one from long-tailed pictures: the last class has 1 / factor of the first.

    ``L = CE + T^2 KL + a L_inner + b L_local + c L_global`` over the 4 x 4 places of the second stage: how the tokens
    of a picture look at each other (MSE), the graph of nearest neighbours among tokens of the whole batch (KL of its
    rows), and InfoNCE of each token with the teacher's same one, at a temperature that falls. Arms: labels; KD; KD
    with RKD or similarity-preserving of the same maps; TRG, without each term, and at one temperature. KD, RKD and TRG
    also learn from as many pictures with even classes. Many-shot and few-shot accuracy are those of the first and of
    the last third of the classes.

    The teacher learns from many pictures with even classes, so that it knows what is rare to the student. No code of
    the paper was found; its equations are known from a note that quotes them, and its hyperparameters are not.
    CIFAR-100 and ImageNet, and ViTs, are not repeated.
    """
    sizes = lab.pick(
        smoke=Sizes(train=150, val=32, test=64, pool=128),
        default=Sizes(train=8000),
        full=Sizes(train=16_000, val=2000, test=4000, pool=10_000),
    )
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=4, default=700, full=3000) if steps is None else steps)
    long = Budget(lab.pick(smoke=4, default=800, full=8000), lr=2e-3)
    findings, jobs = Findings(), []
    pool = image_set(data, replace(sizes, train=1), data_dir=data_dir)
    # Before anything is trained: the factor may not be possible, or a class without pictures.
    parts = {
        seed: tailed_and_even(
            image_set(data, sizes, seed=seed, data_dir=data_dir, judged_by=judged_by).without_pool(), factor
        )
        for seed in lab.seeds
    }
    teacher = image_teacher(lab, TEACHER, pool, long)
    for seed, (tailed, even) in parts.items():
        jobs.append(Job("teacher", "teacher", "the teacher", seed, TEACHER, tailed, budget, teacher, device=lab.device))
        for arm, (role, title, methods) in ARMS.items():
            jobs.append(Job(arm, role, title, seed, STUDENT, tailed, budget, teacher, methods, device=lab.device))
            if arm in EVEN:
                jobs.append(
                    Job(
                        f"{arm}-even", "ablation", f"{title}, even classes", seed, STUDENT, even, budget, teacher,
                        methods, device=lab.device,
                    )
                )  # fmt: skip
    run_all(lab, findings, jobs, workers, run=measured)
    _claims(findings)
    return findings


def tailed_and_even(data: ImageSet, factor: float) -> tuple[ImageSet, ImageSet]:
    """The same data with long-tailed training pictures, and with about as many of which all classes have the same."""
    classes = len(data.classes)
    tailed = data.train.long_tailed(factor, classes)
    even = data.train.per_class(round(len(tailed) / classes))
    return replace(data, train=tailed), replace(data, train=even)


def _claims(findings: Findings) -> None:
    whole = Accuracy().name
    findings.claim_all(
        ("TRG is better than RKD on rare classes", "trg", "rkd", FEW),
        ("TRG is better than SP on rare classes", "trg", "sp", FEW),
        ("TRG is better than KD on rare classes", "trg", "kd", FEW),
        ("TRG is better than RKD", "trg", "rkd", whole),
        ("TRG is better than KD", "trg", "kd", whole),
        ("RKD is better than KD", "rkd", "kd", whole),
        ("with even classes TRG is better than KD, too", "trg-even", "kd-even", whole),
        ("the inner term does no harm (within 0.5 points)", "trg", "trg-without-inner", whole, -0.5),
        ("the local term does no harm (within 0.5 points)", "trg", "trg-without-local", whole, -0.5),
        ("the global term does no harm (within 0.5 points)", "trg", "trg-without-global", whole, -0.5),
        ("a falling temperature does no harm (within 0.5 points)", "trg", "trg-fixed", whole, -0.5),
    )


def measured(job: Job) -> Measured:
    """Accuracy of all classes, and of those that are frequent or rare in the training."""
    network, spent = trained(job)
    tests, classes = job.judges, len(job.data.classes)

    def among(first: int, last: int) -> Column:
        return right(network, tests.at((tests.labels >= first) & (tests.labels < last)), job.device)

    columns = {
        Accuracy().name: right(network, tests, job.device),
        MANY: among(0, classes // 3),
        FEW: among(classes - classes // 3, classes),
    }
    return Measured(columns, spent, parameters_of(network))
