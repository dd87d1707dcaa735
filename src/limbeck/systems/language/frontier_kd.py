"""Labels and reasons written by a large model, instead of a special loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limbeck.distill.examples import Example, next_tokens
from limbeck.evaluation.metrics import Mean
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab, Split
from limbeck.systems.language.arms import Arm, Budget
from limbeck.systems.language.examples import Splits
from limbeck.systems.language.models import Shape, write
from limbeck.systems.language.problems import (
    DIRECT,
    STEPS,
    Problem,
    Solver,
    problem_vocabulary,
    problems,
    read_answer,
)
from limbeck.systems.language.training import Job, run_all, train
from limbeck.systems.measured import Column, Measured
from limbeck.systems.options import at_least, between
from limbeck.systems.registry import system
from limbeck.teachers.text.base import TextTeacher
from limbeck.world.language import Language
from limbeck.world.streams import hashed

ACCURACY = Mean("accuracy", scale=100.0)
UNREADABLE = Mean("unreadable", scale=100.0, lower_is_better=True)
JUDGE = Mean("judge without the truth", scale=100.0)
LONGER = "accuracy, longer problems"

_STEPS, _LONGER_STEPS = (2, 3), (4,)
_STREAMS = {"train": 0, "val": 1, "test": 2}

ARMS = (
    Arm("teacher-direct", "teacher, short prompt", "teacher", options={"prompt": DIRECT}),
    Arm("teacher-steps", "teacher, step by step", "teacher", options={"prompt": STEPS}),
    Arm("original", "original labels", "baseline", None, 1.0, "15 % of them wrong"),
    Arm("direct", "labels of the short prompt", "baseline", None, 1.0),
    Arm("steps-label", "labels, step by step", "ablation", None, 1.0, "its steps left out"),
    Arm("steps", "steps and labels", "method", None, 1.0, "all that the teacher said step by step"),
)


@system(
    slug="frontier-kd",
    title="Knowledge Distillation Using Frontier Open-source LLMs: Generalizability and the Role of Synthetic Data",
    year=2024,
    arxiv="2410.18588",
    domain="language",
    claim="A student of a teacher's reasons does better than one of its labels, and than a teacher without them.",
)
def frontier_kd(
    lab: Lab,
    *,
    steps: int | None = None,
    width: int = 64,
    layers: int = 2,
    wrong_labels: float = 0.15,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A solver that stands for a large model writes answers to word problems; a small GPT is fine-tuned on them.

    Asked shortly the solver is right 70 % of the time; step by step it writes each step, of which 98.5 % are right. Its
    answers are parsed and replace the labels; what cannot be parsed is dropped. All students are asked by the problem
    alone, whatever the teacher was asked by, and trained by cross-entropy on the answer for the same steps.

    Answers that cannot be read are counted apart, so that a gain of format is not taken for one of reckoning. The judge
    knows no truth: it looks whether an answer is that of the short prompt, which it so prefers by construction; nothing
    is claimed of it. The paper was known from its abstract and reviews alone; the scale, the problems and the solver
    are ours, and students begin with random weights.
    """
    at_least(1, steps=steps)
    between(0, 1, wrong_labels=wrong_labels)
    teacher = Solver()
    number, held_out = lab.pick(smoke=40, default=6000, full=30_000), lab.pick(smoke=20, default=500, full=2000)
    train_set = problems(_STREAMS["train"], number, _STEPS)
    budget = Budget(lab.pick(smoke=4, default=1000, full=6000) if steps is None else steps, lr=3e-3)
    tests = held_out_problems(judged_by, held_out)
    jobs = []
    for seed in lab.seeds:
        for arm in ARMS:
            words = problem_vocabulary()
            train = targets(arm.name, train_set, teacher, wrong_labels) if arm.role != "teacher" else []
            splits = Splits(train, [], [_asked(problem) for part in tests for problem in part], words)
            jobs.append(
                Job(
                    arm,
                    seed,
                    Shape(width, layers, 4),
                    splits,
                    budget,
                    Language(),
                    None,
                    held_out,
                    judged_by,
                    None,
                    lab.device,
                )
            )
    findings = Findings()
    run_all(lab, findings, jobs, workers, run=run_job)
    _claims(findings)
    return findings


def held_out_problems(split: str, number: int) -> tuple[list[Problem], list[Problem]]:
    """Problems as long as those of training, and longer ones."""
    stream = _STREAMS[split]
    return problems(stream, number, _STEPS), problems(stream + 10, number, _LONGER_STEPS)


def targets(arm: str, given: Sequence[Problem], teacher: TextTeacher, wrong_labels: float) -> list[Example]:
    """What an arm is trained on: problems as prompts, and the answers of its kind.

    Args:
        arm: Its name.
        given: The problems.
        teacher: Writes answers.
        wrong_labels: The share of wrong original labels.
    """
    if arm == "original":
        drawn = hashed(0, 5100, np.arange(len(given)), np.arange(2)[:, None])
        wrong = drawn[0].astype(np.float64) < wrong_labels * 2.0**64
        # A wrong label is one of the nine others.
        return [
            _answered(one, f"answer {(one.answer + 1 + int(other) % 9) % 10 if bad else one.answer}")
            for one, bad, other in zip(given, wrong.tolist(), drawn[1].tolist(), strict=True)
        ]
    prompt = DIRECT if arm == "direct" else STEPS
    answers = teacher.complete([f"{prompt}\n{problem.text}" for problem in given])
    found = []
    for problem, answer in zip(given, answers, strict=True):
        if (read := read_answer(answer.text)) is not None:
            rationale = read[0] if arm == "steps" else ""
            found.append(_answered(problem, f"{rationale} answer {read[1]}"))
    return found


def _asked(problem: Problem) -> Example:
    words = problem_vocabulary()
    ids = [words.start, *words.encode(problem.text.split())]
    return next_tokens([*ids, words.end], prompt=len(ids))


def _answered(problem: Problem, answer: str) -> Example:
    words = problem_vocabulary()
    ids = [words.start, *words.encode(problem.text.split())]
    return next_tokens([*ids, *words.encode(answer.split()), words.end], prompt=len(ids))


def run_job(job: Job) -> Measured:
    """One arm with one seed; a teacher only answers."""
    parts = held_out_problems(job.judged_by, job.samples)
    if "prompt" in job.arm.options:
        prompt = job.arm.options["prompt"]
        said = [[answer.text for answer in Solver().complete([f"{prompt}\n{p.text}" for p in part])] for part in parts]
        return Measured(_columns(parts, said), {}, 0)
    student, spent = train(job, None)
    words = problem_vocabulary()
    said = []
    for part in parts:
        asked = [[words.start, *words.encode(problem.text.split())] for problem in part]
        written = write(student, asked, seed=job.seed, sample=False)
        said.append([" ".join(words.decode(ids)) for ids in written])
    return Measured(_columns(parts, said), spent, parameters_of(student))


def _columns(parts: Sequence[Sequence[Problem]], said: Sequence[Sequence[str]]) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for name, part, answers in zip((ACCURACY.name, LONGER), parts, said, strict=True):
        read = [read_answer(answer) for answer in answers]
        right = [float(one is not None and one[1] == p.answer) for one, p in zip(read, part, strict=True)]
        columns[name] = ACCURACY, ACCURACY.of(right)
        if name == ACCURACY.name:
            columns[UNREADABLE.name] = UNREADABLE, UNREADABLE.of([float(one is None) for one in read])
            judge = [read_answer(one.text) for one in Solver().complete([f"{DIRECT}\n{p.text}" for p in part])]
            same = [float(a is not None and b is not None and a[1] == b[1]) for a, b in zip(read, judge, strict=True)]
            columns[JUDGE.name] = JUDGE, JUDGE.of(same)
    return columns


def _claims(findings: Findings) -> None:
    findings.claim_all(
        ("steps and labels teach more than the same labels alone", "steps", "steps-label", ACCURACY.name),
        ("labels found step by step teach more than those of the short prompt", "steps-label", "direct", ACCURACY.name),
        ("they teach more than the original labels", "steps-label", "original", ACCURACY.name),
        ("the student of steps beats the teacher that is asked shortly", "steps", "teacher-direct", ACCURACY.name),
        ("steps help on longer problems", "steps", "steps-label", LONGER),
    )
