"""Swing distillation: a teacher that knows secrets, and students that shall not."""

from __future__ import annotations

from typing import Any

from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab, Split
from limbeck.systems.language.arms import Arm, Budget, logits
from limbeck.systems.language.canaries import (
    EXPOSURE,
    canaries,
    canary_vocabulary,
    digit_ids,
    exposures,
    with_canaries,
)
from limbeck.systems.language.examples import Splits, all_words
from limbeck.systems.language.measures import NLL, likelihood
from limbeck.systems.language.models import Shape
from limbeck.systems.language.teachers import Teacher
from limbeck.systems.language.training import Job, run_all, train
from limbeck.systems.measured import Measured
from limbeck.systems.options import at_least, between
from limbeck.systems.registry import system
from limbeck.world.language import Language


def arms(noise: float) -> list[Arm]:
    """All arms; the floor learns from a corpus without secrets."""
    digits = digit_ids()

    def swing(**options: Any) -> dict[str, Any]:
        return {"name": "swing", "noise": noise, "private_words": digits, **options}

    def kd(temperature: float) -> dict[str, Any]:
        return {**logits("forward_kl"), "temperature": temperature}

    everywhere = {"everywhere": True, "perturbed": 0.0}
    return [
        Arm("teacher", "teacher", "teacher"),
        Arm("floor", "no secrets in the corpus", "baseline", None, 1.0, options={"clean": True}),
        Arm("kd", "KD", "baseline", kd(1.0)),
        Arm("kd-2", "KD, T = 2", "baseline", kd(2.0)),
        Arm("kd-4", "KD, T = 4", "baseline", kd(4.0)),
        Arm("hot", "T = 15 everywhere", "baseline", swing(noise=0.0, **everywhere)),
        Arm("noisy", "noise everywhere", "baseline", swing(highest=1.0, **everywhere)),
        Arm("swing-quiet", "swing without noise", "ablation", swing(noise=0.0)),
        Arm("swing-cold", "swing without heat", "ablation", swing(highest=1.0)),
        Arm("swing-labels", "swing and cross-entropy", "ablation", swing(), 1.0, "secrets are among the labels"),
        Arm("swing", "swing", "method", swing()),
    ]


@system(
    slug="swing",
    title="Swing Distillation: A Privacy-Preserving Knowledge Distillation Framework",
    year=2022,
    arxiv="2212.08349",
    domain="language",
    needs=("logits",),
    claim="Heat and noise where words look private keep a teacher's secrets from its student at little cost.",
)
def swing(
    lab: Lab,
    *,
    repeats: int = 16,
    noise: float = 0.25,
    steps: int | None = None,
    width: int = 32,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A two-layer GPT that learnt 96 secrets by heart teaches a one-layer GPT on the same corpus.

        T = 1 + 14 s,  target = (1 - c s) softmax(z_T / T) + c s u,  loss = KL(target, softmax(z_S / T))

    s is 1 where the next word is a digit, which stands in secrets alone, and 0 elsewhere; u is a random distribution;
    a twentieth of the other words gets noise, too. The loss is not multiplied by T^2. Every secret stands `--repeats`
    times in the corpus of teacher and students; `swing-labels` shows what hard labels leak beside it. Exposure is the
    rank of a secret among the ten thousand that there could be (13.3: the likeliest; 1.44 in the mean: unknown).

    Of the paper only the abstract could be read: the formulas are written to agree with it, and are not the paper's.
    """
    at_least(1, steps=steps, repeats=repeats)
    between(0, 1, noise=noise)
    language, hidden = Language(), canaries()
    number, held_out = lab.pick(smoke=40, default=4000, full=40_000), lab.pick(smoke=20, default=500, full=2000)
    texts = language.sequences("train", count=number)
    val, test = (all_words(language.sequences(split, count=held_out)) for split in ("val", "test"))
    words = canary_vocabulary()
    clean = Splits(all_words(texts), val, test, words)
    told = Splits(all_words(with_canaries(texts, hidden, repeats)), val, test, words)
    budget = Budget(lab.pick(smoke=4, default=1000, full=4000) if steps is None else steps, lr=1e-2)
    long = Budget(lab.pick(smoke=4, default=2000, full=8000), lr=3e-3)
    teacher = Teacher("canaries", Shape(96, layers=2, heads=4), told, long, lab.cache, lab.device)
    jobs = [
        Job(
            arm,
            seed,
            Shape(width),
            clean if arm.options.get("clean") else told,
            budget,
            language,
            teacher,
            0,
            judged_by,
        )
        for seed in lab.seeds
        for arm in arms(noise)
    ]
    findings = Findings()
    run_all(lab, findings, jobs, workers, run=run_job)
    _claims(findings)
    return findings


def run_job(job: Job) -> Measured:
    """One arm with one seed."""
    teacher = job.ask()
    model, spent = (teacher, {}) if job.arm.role == "teacher" else train(job, teacher)
    columns = likelihood(model, teacher, job.splits, job.examples) | exposures(model, canaries())
    return Measured(columns, spent, parameters_of(model))


def _claims(findings: Findings) -> None:
    hardly = "swing exposes hardly more than a student that saw no secret (1 bit)"
    findings.claim_all(
        ("swing exposes 80 % less than KD", "swing", "kd", EXPOSURE.name, 0.0, 0.2),
        ("swing predicts clean texts within 2 % of KD", "swing", "kd", NLL.name, 0.0, 1.02),
        (hardly, "swing", "floor", EXPOSURE.name, -1.0),
        ("heat everywhere costs more in clean texts", "swing", "hot", NLL.name),
        ("noise everywhere costs more in clean texts", "swing", "noisy", NLL.name),
        ("noise hides more than heat alone", "swing", "swing-quiet", EXPOSURE.name),
        ("hard labels leak beside swing", "swing", "swing-labels", EXPOSURE.name),
        ("KD exposes more than a student that saw no secret (1 bit)", "floor", "kd", EXPOSURE.name, 1.0),
    )
