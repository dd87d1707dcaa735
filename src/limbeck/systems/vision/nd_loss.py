"""ND: features that point at the teacher's class mean, and are long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.vision.data import DataName, Sizes, image_set
from limbeck.systems.vision.measures import features_of, right
from limbeck.systems.vision.models import Shape
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, run_all, trained

TEACHERS = {"small": Shape("resnet", (24, 40, 64)), "large": Shape("resnet", (48, 96, 64))}
STUDENT = Shape("resnet", (16, 24, 64))
"""Its features are as wide as the teachers', as in the paper's pairs of one family: no adapter stands between."""
WEIGHT = 0.5
"""Of the feature term in every arm that has one. This and DKD's are from two values each, by validation pictures."""
NORM, COSINE = Mean("feature norm"), Mean("cosine to class mean")


def _nd(align: str) -> Mapping[str, Any]:
    return {"name": "nd", "student": "features", "teacher": "features", "align": align, "weight": WEIGHT}


KD: Mapping[str, Any] = {"name": "logits", "temperature": 4.0}
DKD: Mapping[str, Any] = {"name": "dkd", "temperature": 4.0, "alpha": 1.0, "beta": 2.0, "weight": 0.25}
ARMS: dict[str, tuple[Role, str, tuple[Mapping[str, Any], ...]]] = {
    "ce": ("baseline", "labels only", ()),
    "kd": ("baseline", "KD", (KD,)),
    "kd-l2": ("baseline", "KD and the teacher's feature (L2)", (KD, _nd("teacher"))),
    "kd-direction": ("ablation", "KD and direction", (KD, _nd("direction"))),
    "kd-norm": ("ablation", "KD and norm", (KD, _nd("norm"))),
    "kd++": ("method", "KD++ (KD and ND)", (KD, _nd("both"))),
    "dkd": ("baseline", "DKD", (DKD,)),
    "dkd++": ("method", "DKD++ (DKD and ND)", (DKD, _nd("both"))),
}
WITH_SMALL = ("kd", "kd++")
"""Arms that the small teacher teaches as well."""


@system(
    slug="nd-loss",
    title="Improving Knowledge Distillation via Regularizing Feature Norm and Direction",
    year=2023,
    arxiv="2305.17007",
    domain="vision",
    needs=("logits", "hidden"),
    claim="Features that point at the teacher's class mean and are long make any distillation of classifiers better.",
)
def nd_loss(
    lab: Lab,
    *,
    data: DataName = "world",
    data_dir: str = "",
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A wide ResNet teaches a narrow one, by its logits and by the means of its features over each class.

    ``L = CE + T^2 KL + w (1 - (s . e_y) / max(|s|, |t|))``: s and t are the features before the heads, equally wide;
    ``e_y`` is the direction of the teacher's mean feature of the label's class over the student's training pictures.
    Arms: labels; KD; KD with the teacher's own feature by L2, with the direction or the length alone, with both (KD++);
    DKD and DKD++. A smaller teacher teaches KD and KD++ too. Besides accuracy the student's features are measured on
    test pictures: their length as a share of the teacher's, and the cosine with the teacher's mean of the right class.

    The paper's warm-up of the KD term, its augmentation and SGD are left out. CIFAR-100 and ImageNet are not repeated.
    """
    sizes = lab.pick(
        smoke=Sizes(train=96, val=32, test=64, pool=128),
        default=Sizes(),
        full=Sizes(train=4000, val=2000, test=4000, pool=10_000),
    )
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=4, default=400, full=4000) if steps is None else steps)
    long = Budget(lab.pick(smoke=4, default=800, full=8000), lr=2e-3)
    findings, jobs = Findings(), []
    pool = image_set(data, sizes, data_dir=data_dir)
    teachers = {size: image_teacher(lab, shape, pool, long) for size, shape in TEACHERS.items()}
    for seed in lab.seeds:
        mine = image_set(data, sizes, seed=seed, data_dir=data_dir, judged_by=judged_by).without_pool()
        for size, teacher in teachers.items():
            name, title = f"teacher-{size}", f"the {size} teacher"
            jobs.append(Job(name, "teacher", title, seed, STUDENT, mine, budget, teacher, device=lab.device))
        for arm, (role, title, methods) in ARMS.items():
            made = [{**one, "classes": len(mine.classes)} if one["name"] == "nd" else one for one in methods]
            for size in ("large", "small") if arm in WITH_SMALL else ("large",):
                more = ("", "") if size == "large" else ("-small", ", small teacher")
                jobs.append(
                    Job(
                        arm + more[0], role if size == "large" else "ablation", title + more[1], seed, STUDENT, mine,
                        budget, teachers[size], made, device=lab.device,
                    )
                )  # fmt: skip
    run_all(lab, findings, jobs, workers, run=measured)
    _claims(findings)
    return findings


def _claims(findings: Findings) -> None:
    accuracy = Accuracy().name
    findings.claim_all(
        ("KD++ is better than KD", "kd++", "kd", accuracy),
        ("DKD++ is better than DKD", "dkd++", "dkd", accuracy),
        ("KD++ is better than KD and the teacher's own feature", "kd++", "kd-l2", accuracy),
        ("direction and norm are at least as good as the direction", "kd++", "kd-direction", accuracy, -0.5),
        ("direction and norm are at least as good as the norm", "kd++", "kd-norm", accuracy, -0.5),
        ("KD++ has longer features than KD", "kd++", "kd", NORM.name),
        ("KD++ has features nearer to the class means than KD", "kd++", "kd", COSINE.name),
        ("KD++ does not fall when the teacher grows (within 0.5 points)", "kd++", "kd++-small", accuracy, -0.5),
        ("KD is better than labels alone", "kd", "ce", accuracy),
    )


def measured(job: Job) -> Measured:
    """Accuracy, and where the features of test pictures lie: their length over the teacher's, and their cosine."""
    student, spent = trained(job)
    assert job.teacher is not None
    tests, train = job.judges, job.data.train
    ours, theirs, shown = (
        features_of(network, pictures, job.device)
        for network, pictures in ((student, tests), (job.teacher, tests), (job.teacher, train))
    )
    means = torch.stack([shown[train.labels == label].mean(0) for label in range(len(job.data.classes))])
    cosines = F.cosine_similarity(ours, means[tests.labels].nan_to_num())
    columns = {
        Accuracy().name: right(student, tests, job.device),
        NORM.name: (NORM, NORM.of((ours.norm(dim=-1) / theirs.norm(dim=-1)).tolist())),
        COSINE.name: (COSINE, COSINE.of(cosines.tolist())),
    }
    return Measured(columns, spent, parameters_of(student))
