"""MIX-KD: who is to learn from mixed pictures, how many of them, and at which scale of logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from limbeck.data.mixup import Mixup
from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.methods.soft_labels import SoftLabels
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.taught import said_by
from limbeck.systems.vision.data import DataName, Sizes, image_set
from limbeck.systems.vision.measures import right
from limbeck.systems.vision.models import SHAPES
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, run_all, trained

TEACHER, STUDENT = SHAPES["resnet-teacher"], SHAPES["resnet-student"]
NLL, ENTROPY = Mean("NLL", lower_is_better=True), Mean("entropy")
LABELS, SOFT = 0.1, 0.9
"""Weights of labels and teacher in every arm that has both, as in the paper's code."""
ONE_TRAINING = (
    "Each of the two teachers is trained once and serves all seeds: intervals that compare them are over items alone"
    " and say nothing about training a teacher again."
)
Methods = tuple[Mapping[str, Any], ...]


def _tempered(temperature: float) -> Methods:
    return {"name": "soft-labels", "weight": LABELS}, {"name": "logits", "temperature": temperature, "weight": SOFT}


ALONE: Methods = ({"name": "soft-labels"},)
T4, T20 = _tempered(4.0), _tempered(20.0)
STANDARDISED: Methods = tuple({"name": "standardised", "method": dict(one)} for one in _tempered(1.0))
ARMS: dict[str, tuple[Role, str, bool, float, Methods]] = {
    # role, title, whether the teacher learnt from mixed pictures, share of mixed pairs, methods
    "ce": ("baseline", "labels only", False, 0.0, ALONE),
    "kd": ("baseline", "KD, T = 4", False, 0.0, T4),
    "kd-partial": ("ablation", "KD, T = 4, half mixed", False, 0.5, T4),
    "kd-full": ("ablation", "KD, T = 4, full mixup", False, 1.0, T4),
    "kd-hot": ("ablation", "KD, T = 20", False, 0.0, T20),
    "kd-hot-full": ("ablation", "KD, T = 20, full mixup", False, 1.0, T20),
    "std": ("ablation", "standardised, not mixed", False, 0.0, STANDARDISED),
    "mix-kd": ("method", "standardised, half mixed", False, 0.5, STANDARDISED),
    "std-full": ("ablation", "standardised, full mixup", False, 1.0, STANDARDISED),
    "kd-by-mixed": ("ablation", "KD, T = 4, teacher by mixup", True, 0.0, T4),
    "kd-hot-by-mixed": ("ablation", "KD, T = 20, teacher by mixup", True, 0.0, T20),
}


@system(
    slug="mix-kd",
    title="Understanding the Role of Mixup in Knowledge Distillation: An Empirical Study",
    year=2023,
    arxiv="2211.03946",
    domain="vision",
    needs=("logits",),
    claim="Mix only the student's pictures, only some of them, and take logits at the scale of their own spread.",
)
def mix_kd(
    lab: Lab,
    *,
    data: DataName = "world",
    data_dir: str = "",
    alpha: float = 1.0,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A wide ResNet teaches a narrow one on few pictures, some of which are averaged in pairs before both see them.

    ``L = 0.1 CE(softmax(z_S / s_S), y) + 0.9 KL(softmax(z_T / s_T), softmax(z_S / s_S))``, s the standard deviation of
    the logits of a picture; or KD with ``T^2`` at a temperature. Arms: labels; KD at 4, nothing, half
    or everything mixed; KD at 20, nothing or everything mixed; standardised logits with nothing, half (the method)
    or everything mixed; KD at 4 and 20 by a teacher that itself learnt from mixed pictures. Besides accuracy
    the NLL of the right class and the entropy of what a network says are measured, at temperature 1.

    The paper's code draws the pairs that are not mixed with replacement; here their number is exact. Adversarial
    robustness, CIFAR-100 and ImageNet are not repeated.
    """
    sizes = lab.pick(
        smoke=Sizes(train=96, val=32, test=64, pool=128),
        default=Sizes(train=300),
        full=Sizes(train=2000, val=2000, test=4000, pool=10_000),
    )
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=4, default=600, full=3000) if steps is None else steps, lr=1e-2)
    long = Budget(lab.pick(smoke=4, default=800, full=8000), lr=2e-3)
    findings, jobs = Findings(), []
    pool = image_set(data, replace(sizes, train=1), data_dir=data_dir)
    mixup = Mixup(len(pool.classes), alpha=alpha)
    teachers = {
        False: image_teacher(lab, TEACHER, pool, long),
        True: image_teacher(
            lab, TEACHER, pool, long, methods=[SoftLabels()], change=mixup, label_weight=0.0, noted={"mixup": alpha}
        ),
    }
    for seed in lab.seeds:
        mine = image_set(data, sizes, seed=seed, data_dir=data_dir, judged_by=judged_by).without_pool()
        for mixed, one in teachers.items():
            name, title = ("teacher-by-mixed", "a teacher by mixup") if mixed else ("teacher", "the teacher")
            jobs.append(Job(name, "teacher", title, seed, TEACHER, mine, budget, one, device=lab.device))
        for arm, (role, title, mixed, share, methods) in ARMS.items():
            change = replace(mixup, share=share) if share else None
            teacher = None if methods == ALONE else teachers[mixed]
            jobs.append(
                Job(
                    arm, role, title, seed, STUDENT, mine, budget, teacher, methods, label_weight=0.0,
                    change=change, device=lab.device,
                )
            )  # fmt: skip
    run_all(lab, findings, jobs, workers, run=measured)
    findings.notes.append(ONE_TRAINING)
    _claims(findings)
    return findings


def _claims(findings: Findings) -> None:
    accuracy = Accuracy().name
    findings.claim_all(
        ("partial mixup with standardised logits is better than KD", "mix-kd", "kd", accuracy),
        ("partial mixup is better than full, with standardised logits", "mix-kd", "std-full", accuracy),
        ("partial mixup is better than full, in KD", "kd-partial", "kd-full", accuracy),
        ("standardised logits are better than a temperature", "mix-kd", "kd-partial", accuracy),
        ("a teacher is as right by mixup (within 0.5 points)", "teacher-by-mixed", "teacher", accuracy, -0.5),
        ("a teacher is less sure by mixup", "teacher-by-mixed", "teacher", ENTROPY.name),
        ("and teaches worse at a high temperature", "kd-hot", "kd-hot-by-mixed", accuracy),
        ("a high temperature and full mixup together are worse than KD", "kd", "kd-hot-full", accuracy),
        ("KD is better than labels alone", "kd", "ce", accuracy),
    )


def measured(job: Job) -> Measured:
    """Accuracy, and how sure the network is of what is right and of what it says."""
    network, spent = trained(job)
    tests = job.judges
    log_probs = said_by(network, tests.pixels, device=job.device).log_softmax(-1)
    entropies: Tensor = -(log_probs.exp() * log_probs).sum(-1)
    columns = {
        Accuracy().name: right(network, tests, job.device),
        NLL.name: (NLL, NLL.of((-log_probs[torch.arange(len(tests)), tests.labels]).tolist())),
        ENTROPY.name: (ENTROPY, ENTROPY.of(entropies.tolist())),
    }
    return Measured(columns, spent, parameters_of(network))
