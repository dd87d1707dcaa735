"""MiniPLM: what a teacher knows much better than a tiny model is what students should read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limbeck.distill.examples import Example
from limbeck.evaluation.metrics import Mean
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.language.arms import Arm, Budget, logits
from limbeck.systems.language.examples import Splits, all_words
from limbeck.systems.language.measures import likelihood
from limbeck.systems.language.models import Shape, tiny_model
from limbeck.systems.language.selection import WAYS, mean_nll, proportional, top
from limbeck.systems.language.teachers import Teacher, train_all
from limbeck.systems.language.training import Job, run_all, train
from limbeck.systems.measured import Measured
from limbeck.systems.options import at_least, more_than
from limbeck.systems.registry import system
from limbeck.world.language import Language, noise, repetitions, vocabulary
from limbeck.world.streams import hashed

KEPT = Mean("kept that is language", scale=100.0)


@system(
    slug="miniplm",
    title="MiniPLM: Knowledge Distillation for Pre-Training Language Models",
    year=2025,
    arxiv="2410.17215",
    domain="language",
    claim="Students that read what a teacher knows better than a tiny model learn more than from the whole corpus.",
)
def miniplm(
    lab: Lab,
    *,
    keep: float = 0.5,
    steps: int | None = None,
    width: int = 24,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A two-layer GPT and a tiny reference choose what one-layer GPTs and recurrent networks are trained on.

        r(x) = (mean NLL of x by the reference) - (mean NLL of x by the teacher); the half with the greatest r is kept

    The corpus is 40 % texts of the world's language, 30 % repetitions of a word and 30 % random words. The teacher is
    trained on all of it, the reference on other sequences of the kind, each of them once. Students are trained on words
    alone for the same steps. `keep` is the share that is kept.

    Score and selection are those of the released code (the difference of mean losses; its README prints a ratio). The
    arm "KD at equal cost" gets the steps that MiniPLM's training, scoring and reference would pay for; its teacher
    reads each text once, too.
    """
    at_least(1, steps=steps)
    more_than(0, at_most=1, keep=keep)
    student, language = Shape(width), Language()
    corpus = mixed(language, lab.pick(smoke=60, default=6000, full=60_000))
    splits = _splits(lab, language, corpus[0])
    budget = Budget(lab.pick(smoke=4, default=500, full=4000) if steps is None else steps, lr=1e-2)
    long = Budget(lab.pick(smoke=4, default=1500, full=8000), lr=3e-3)
    teacher = Teacher("mixed", Shape(96, layers=2, heads=4), splits, long, lab.cache, lab.device)
    # Once each: a reference that had learnt its own noise by heart would be surer of other noise than it should.
    others = mixed(language, budget.steps * budget.batch_size, start=10_000_000)[0]
    small = Splits(others, splits.val, splits.test, splits.vocabulary)
    reference = Teacher("mixed-reference", Shape(16), small, Budget(budget.steps, lr=1e-2), lab.cache, lab.device)
    models = train_all(lab, (teacher, reference), workers)
    scores = tuple(mean_nll(model, splits, splits.train) for model in models)
    lab.say(f"scored {len(splits.train)} sequences")

    findings, rows = Findings(), np.arange(len(splits.train))
    kept: dict[str, NDArray[np.int64]] = {"all": rows}
    kept |= {name: top(way(*scores), keep) for name, way in WAYS.items()}
    kept["drawn"] = proportional(WAYS["difference"](*scores), keep, seed=0, temperature=0.5)
    kept["random"] = top(hashed(0, 4000, rows).astype(np.float64), keep)
    is_language = corpus[1] == 0
    jobs, shares = [], {}
    for arm, family in _arms():
        from_rows = kept[arm.options["keep"]]
        used = Splits([splits.train[row] for row in from_rows], splits.val, splits.test, splits.vocabulary)
        shares[arm.name] = KEPT.of(is_language.astype(float), np.isin(rows, from_rows).astype(float).tolist())
        given = budget
        if arm.options.get("equal_cost"):
            given = Budget(_equal_cost(budget, len(rows), width, models), budget.batch_size, budget.lr)
        shape = replace(student, family=family)
        jobs += [Job(arm, seed, shape, used, given, language, teacher, 0, judged_by) for seed in lab.seeds]
    jobs.sort(key=lambda job: job.seed)
    run_all(lab, findings, jobs, workers, run=run_job)
    for name, statistics in shares.items():
        for seed in lab.seeds:
            findings.add(name, KEPT, seed, statistics)
    _claims(findings)
    return findings


def _arms() -> list[tuple[Arm, Literal["gpt", "gru"]]]:
    def arm(name: str, title: str, role: Role, keep: str, description: str = "") -> Arm:
        return Arm(name, title, role, None, 1.0, description, {"keep": keep})

    half = logits("forward_kl") | {"weight": 0.5}
    return [
        (arm("all", "whole corpus", "baseline", "all"), "gpt"),
        (arm("random", "random half", "baseline", "random"), "gpt"),
        (arm("miniplm", "MiniPLM", "method", "difference"), "gpt"),
        (arm("miniplm-drawn", "MiniPLM, drawn", "ablation", "drawn", "drawn by r, not the top"), "gpt"),
        (arm("teacher-only", "teacher's loss alone", "ablation", "teacher", "what the teacher knows best"), "gpt"),
        (arm("reference-only", "reference's loss alone", "ablation", "reference", "what is hardest"), "gpt"),
        (Arm("kd", "KD", "baseline", half, 0.5, "on the whole corpus", {"keep": "all"}), "gpt"),
        (
            Arm(
                "kd-equal-cost",
                "KD at equal cost",
                "baseline",
                half,
                0.5,
                "as much arithmetic as MiniPLM, its reference too",
                {"keep": "all", "equal_cost": True},
            ),
            "gpt",
        ),
        (arm("gru-all", "GRU, whole corpus", "baseline", "all"), "gru"),
        (arm("gru-miniplm", "GRU, MiniPLM", "ablation", "difference", "another family"), "gru"),
    ]


def mixed(language: Language, number: int, start: int = 0) -> tuple[list[Example], NDArray[np.int64]]:
    """A corpus of texts, repetitions and noise, 4 to 3 to 3, and of which kind each sequence is.

    Args:
        language: Writes the texts.
        number: Sequences.
        start: Number of the first; each depends on its own number alone.
    """
    drawn = hashed(language.seed, 4001, np.arange(start, start + number)) % np.uint64(10)
    kinds = np.digitize(drawn.astype(np.int64), [4, 7])
    texts = language.sequences("train", start, number)
    fillers = [repetitions("train", start, number), noise("train", start, number)]
    rows = [(texts, *fillers)[kind][row] for row, kind in enumerate(kinds.tolist())]
    return all_words(rows), kinds


def _splits(lab: Lab, language: Language, train: list[Example]) -> Splits:
    held_out = lab.pick(smoke=20, default=500, full=2000)
    val, test = (all_words(language.sequences(split, count=held_out)) for split in ("val", "test"))
    return Splits(train, val, test, language.vocabulary)


def _equal_cost(budget: Budget, scored: int, width: int, models: Sequence[Any]) -> int:
    """Steps of KD that take as much arithmetic as all of MiniPLM, its reference too: 2 a parameter forth, 4 back.

    Either way the teacher reads each text once: what it says is remembered.
    """
    student = parameters_of(tiny_model(Shape(width), vocabulary()))
    teacher, reference = (parameters_of(model) for model in models)
    sequences = budget.steps * budget.batch_size
    total = 6 * (student + reference) * sequences + 2 * (teacher + reference) * scored
    learnt = (total - 2 * teacher * scored) / (6 * student)
    if learnt < scored:  # not all texts are read
        learnt = total / (6 * student + 2 * teacher)
    return max(1, round(learnt / budget.batch_size))


def run_job(job: Job) -> Measured:
    """One arm with one seed, judged by texts of the language alone."""
    student, spent = train(job, job.ask() if job.arm.method else None)
    return Measured(likelihood(student, None, job.splits, job.examples), spent, parameters_of(student))


def _claims(findings: Findings) -> None:
    findings.claim_all(
        ("what is kept is language, by 20 points more than chance", "miniplm", "random", KEPT.name, 20.0),
        ("MiniPLM predicts texts better than the whole corpus", "miniplm", "all", "NLL"),
        ("MiniPLM predicts texts better than a random half", "miniplm", "random", "NLL"),
        ("MiniPLM is better than the teacher's loss alone", "miniplm", "teacher-only", "NLL"),
        ("MiniPLM is better than the reference's loss alone", "miniplm", "reference-only", "NLL"),
        ("MiniPLM is better than KD at equal cost", "miniplm", "kd-equal-cost", "NLL"),
        ("MiniPLM helps another family, too", "gru-miniplm", "gru-all", "NLL"),
    )
