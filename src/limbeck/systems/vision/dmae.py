"""DMAE: a masked autoencoder learns from the middle of a larger one, on visible patches alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.masked import masked_teacher
from limbeck.systems.vision.masked_pretraining import STUDENT, TEACHER, PretrainingJob, Recipe, pretrained
from limbeck.systems.vision.measures import right
from limbeck.systems.vision.training import Budget, Job, run_all, train

VIEWS: Mapping[str, Any] = {"labels": "setting", "noise": 120.0}
"""Chosen together with the number of labels and the length of the pre-training, on validation pictures of seeds 11 to
13."""
DRAWS = 5
"""Of labelled pictures: with so few of them, which they are would decide more than the arm."""
COST = Mean("pre-training", lower_is_better=True)


ARMS: Mapping[str, tuple[Role, str, Recipe | None]] = {
    "scratch": ("baseline", "labels only", None),
    "mae": ("baseline", "MAE", Recipe(at=None)),
    "mae-longer": ("baseline", "MAE, with the multiplications of DMAE", Recipe(at=None, like=Recipe())),
    "dmae": ("method", "DMAE", Recipe()),
    "dmae-last": ("ablation", "DMAE, last layers", Recipe(at=(4, 6))),
    "dmae-50": ("ablation", "DMAE, half hidden", Recipe(mask=0.5)),
    "dmae-90": ("ablation", "DMAE, 90 % hidden", Recipe(mask=0.9)),
    "tuned": ("baseline", "features of a fine-tuned teacher, whole pictures", Recipe(mask=0.0, tuned=True)),
}


@system(
    slug="dmae",
    title="Masked Autoencoders Enable Efficient Knowledge Distillers",
    year=2023,
    arxiv="2208.12256",
    domain="vision",
    needs=("hidden",),
    claim="A masked autoencoder learns more when it shows on visible patches what a larger one shows half-way.",
)
def dmae(
    lab: Lab,
    *,
    labels: int = 2,
    before: int | None = None,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A large masked autoencoder teaches a small one in its pre-training; then labels fine-tune the small one.

    One mask a picture for both: ``L = |P(s) / |P(s)| - t / |t||_1 + MSE(hidden patches)``, s and t the hidden states
    over the picture's token and the visible patches at three quarters of the student's depth and two thirds of the
    teacher's, P linear. The teacher is frozen and stops there. Arms: labels only; MAE, for as many steps or
    as many multiplications as DMAE; DMAE; last layers; half and 90 % hidden; and what DMAE is to replace: the features
    of a teacher that labels fine-tuned, on whole pictures, without the painting. All learn from labels for the same
    steps, and all but the first before that without, for a fifth of the teacher's steps. The column
    "pre-training" has the multiplications a picture in millions.

    Pictures are the world's with much noise, told apart by setting, two labelled ones of each: accuracy is the
    mean over five draws of these, the first of which also fine-tunes the last arm's teacher. Places are learnt, patches
    standardised; mixup and cutmix are left out. By kind, which small things decide, pre-training of this length
    did harm (25 labels of each, validation pictures: labels only 27.8 %, MAE 19.8, DMAE 13.7).
    """
    some = lab.pick(smoke=48, default=4000, full=30_000)
    counts = lab.pick(smoke=(24, 40), default=(1000, 2000), full=(2000, 4000))
    sizes = Sizes(lab.pick(smoke=200, default=800, full=2000), *counts, some)
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=2, default=250, full=2000) if steps is None else steps, lr=1e-3)
    first = Budget(before or lab.pick(smoke=2, default=200, full=8000), lr=2e-3)
    long = replace(first, steps=lab.pick(smoke=4, default=1000, full=16_000))
    findings, jobs = Findings(), []
    pool = image_set(sizes=sizes, **VIEWS)
    parts = {
        seed: image_set(sizes=replace(sizes, pool=1), seed=seed, **VIEWS, judged_by=judged_by).without_pool()
        for seed in lab.seeds
    }
    for mine in parts.values():  # before anything is trained: there may be too few pictures for the draws
        mine.train.per_class(DRAWS * labels, option=f"--labels {labels}, in {DRAWS} draws")
    teacher = masked_teacher(lab, TEACHER, pool, long, mask=Recipe().mask)
    for seed, mine in parts.items():
        jobs += [
            PretrainingJob(
                arm, role, title, seed, STUDENT, mine, budget, teacher, device=lab.device,
                labels=labels, recipe=recipe, unlabelled=pool.pool, before=first,
            )
            for arm, (role, title, recipe) in ARMS.items()
        ]  # fmt: skip
    run_all(lab, findings, jobs, workers, run=measured)
    accuracy = Accuracy().name
    findings.claim_all(
        ("DMAE is better than MAE alone", "dmae", "mae", accuracy),
        ("DMAE is better than MAE with as many multiplications", "dmae", "mae-longer", accuracy),
        ("DMAE is better than labels only", "dmae", "scratch", accuracy),
        ("MAE is better than labels only", "mae", "scratch", accuracy),
        ("DMAE is at least as good as a fine-tuned teacher's features", "dmae", "tuned", accuracy, -0.5),
        ("DMAE takes fewer multiplications than that", "dmae", "tuned", COST.name),
        ("the middle teaches more than the last layers", "dmae", "dmae-last", accuracy),
        ("90 % hidden costs at most 3 points", "dmae-90", "dmae", accuracy, -3.0),
        ("90 % hidden takes fewer multiplications", "dmae-90", "dmae", COST.name),
    )
    return findings


def measured(job: Job) -> Measured:
    """Accuracy after fine-tuning, and what the pre-training took."""
    assert isinstance(job, PretrainingJob)
    shape = job.student if job.recipe is None else pretrained(job, job.recipe)
    tuned = [train(replace(job.draw(number), student=shape, teacher=None)) for number in range(DRAWS)]
    found = np.mean([right(student, job.judges, job.device)[1] for student, _ in tuned], axis=0)
    spent = {name: sum(each[name] for _, each in tuned) for name in tuned[0][1]}
    patches = (job.data.train.size // STUDENT.patch) ** 2
    cost = job.recipe.cost(patches) if job.recipe else 0.0
    columns = {Accuracy().name: (Accuracy(), found), COST.name: (COST, COST.of([cost]))}
    before = job.recipe.steps(job.before.steps, patches) if job.recipe else 0
    return Measured(columns, spent | {"unlabelled_steps": before}, parameters_of(tuned[0][0]))
