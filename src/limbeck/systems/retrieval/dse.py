"""DSE: a sentence embedding that scores pairs as a cross-encoder does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.evaluation.base import Statistics
from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.methods.base import Method
from limbeck.methods.logit_mse import LogitRegression
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Arm as Declared
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab
from limbeck.systems.measured import Column, Measured, run_all
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.retrieval.embedders import Head, Pooling, SiameseComparer
from limbeck.systems.retrieval.pairs import Pairs, pairs
from limbeck.systems.retrieval.training import WRONG_PAIRS, comparer_teacher
from limbeck.systems.tables import Table
from limbeck.systems.taught import Taught, said_by
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.seed import set_seed
from limbeck.training.task import Task

CANDIDATES, TEACHER_PAIRS = 1000, 12
TIME = Mean(f"log10 ms a query of {CANDIDATES:,}", lower_is_better=True)


@dataclass(frozen=True)
class Arm:
    """A student.

    Args:
        role: In the table.
        title: In the table.
        share: Of the teacher in the loss.
        head: How vectors are compared.
        pooling: How a sentence becomes a vector.
    """

    role: Role
    title: str
    share: float = 0.5
    head: Head = "concat"
    pooling: Pooling = "mean"


ARMS = {
    "labels": Arm("baseline", "labels only", 0.0),
    "half": Arm("method", "half labels, half teacher"),
    "logits": Arm("method", "teacher only", 1.0),
    "dot": Arm("ablation", "half, dot product", head="dot"),
    "cls": Arm("ablation", "half, first mark's state", pooling="cls"),
}


@system(
    slug="dse",
    title="Scalable Attentive Sentence-Pair Modeling via Distilled Sentence Embedding",
    year=2020,
    arxiv="1908.05161",
    domain="retrieval",
    needs=("logits",),
    claim="Regression on a cross-encoder's logits brings a sentence embedding close to it, at a fraction of the time.",
)
def dse(lab: Lab, *, steps: int | None = None, workers: int | None = None) -> Findings:
    """A cross-encoder of sentence pairs teaches an embedding that sees one sentence at a time.

    Pairs say what happens in scenes, by synonyms, with the place first or in the passive, and negated or not; the label
    is whether both mean the same. The student minimises ``(1 - c) CE + c sum over classes (z_S - z_T)^2``, its vectors
    ``u, v`` compared by a network over ``(u, v, u * v, |u - v|)``. A tenth of training labels are wrong. The teacher's
    encoder is as large as the student's, which has 151,362 parameters in all by that network, the teacher 102,146; the
    teacher sees twelve times as many pairs for want of pre-training. For all arms the weights that are best on
    validation pairs are tested.

    The paper's 4.6 % of relative loss against BERT on GLUE tasks is of its abstract; its tables are unverified, and
    GLUE is not repeated.
    """
    at_least(1, steps=steps)
    length = lab.pick(smoke=4, default=400, full=2000) if steps is None else steps
    shown, asked = lab.pick(smoke=64, default=1000, full=10_000), lab.pick(smoke=50, default=500, full=2000)
    teacher = comparer_teacher(lab, TEACHER_PAIRS * shown)
    queries = lab.pick(smoke=2, default=20, full=20)
    shared = _Shared(pairs("val", asked, seed=0), pairs("test", asked, seed=0), length, queries, lab.device)
    findings, accuracy = Findings(), Accuracy()
    findings.declare("teacher", role="teacher", title="cross-encoder", parameters=parameters_of(teacher))
    said = said_by(teacher, shared.test.first, shared.test.second, device=lab.device).argmax(-1)
    slow = _times(shared, lambda asked: teacher(asked[0].expand_as(asked[1]), asked[1]))
    jobs = []
    for seed in lab.seeds:
        findings.add("teacher", accuracy, seed, accuracy.statistics(said.tolist(), shared.test.labels.tolist()))
        findings.add("teacher", TIME, seed, slow)
        train = pairs(
            "train", shown, seed=seed, start=TEACHER_PAIRS * shown, wrong=WRONG_PAIRS
        )  # none that the teacher has seen
        logits = said_by(teacher, train.first, train.second, device=lab.device)
        jobs += [_Job(arm, seed, train, logits, shared) for arm in ARMS]
    run_all(lab, findings, jobs, _train, arm=_declared, workers=workers)
    quick = "a query against 1,000 kept vectors takes less than a twentieth of the cross-encoder's time"
    findings.claim_all(
        ("half labels, half teacher is better than labels", "half", "labels", "accuracy"),
        ("the teacher alone is better than labels", "logits", "labels", "accuracy"),
        ("half labels, half teacher is within 5 points of the cross-encoder", "half", "teacher", "accuracy", -5.0),
        ("the network over both vectors is better than their dot product", "half", "dot", "accuracy"),
        ("the mean over words is better than the first mark's state", "half", "cls", "accuracy"),
        (quick, "half", "teacher", TIME.name, math.log10(20)),
    )
    return findings


@dataclass(frozen=True, eq=False)
class _Shared:
    validation: Pairs
    test: Pairs
    steps: int
    queries: int
    device: str


@dataclass(frozen=True, eq=False)
class _Job:
    arm: str
    seed: int
    train: Pairs
    teacher: Tensor
    shared: _Shared


def _declared(job: _Job) -> Declared:
    return Declared(job.arm, ARMS[job.arm].title, ARMS[job.arm].role)


def _train(job: _Job) -> Measured:
    started, shared, arm = time.perf_counter(), job.shared, ARMS[job.arm]
    set_seed(job.seed)
    network = SiameseComparer(head=arm.head, pooling=arm.pooling).to(shared.device)
    methods: list[Method] = [LogitRegression(weight=arm.share)] if arm.share else []
    task = Taught(network, ("first", "second"), methods, label_weight=1 - arm.share)
    data = Table(first=job.train.first, second=job.train.second, labels=job.train.labels, teacher=job.teacher)
    plan = Plan(
        lr=1e-3,
        weight_decay=0.01,
        clip=1.0,
        max_steps=shared.steps,
        schedule="cosine",
        warmup=shared.steps // 10,
        validate_every=max(1, shared.steps // 8),
        monitor="accuracy",
        mode="max",
        restore_best=True,
        seed=job.seed,
    )

    def validate(_: Task) -> dict[str, float]:
        part = shared.validation
        said = said_by(network, part.first, part.second, device=shared.device).argmax(-1)
        return {"accuracy": float((said == shared.validation.labels).float().mean())}

    fit(task, data.batches(32), plan, validate=validate, accelerator=accelerator_on(shared.device), progress=False)
    seconds = time.perf_counter() - started
    said = said_by(network, shared.test.first, shared.test.second, device=shared.device).argmax(-1)
    right = Accuracy().statistics(said.tolist(), shared.test.labels.tolist())
    with torch.no_grad():
        kept = network.embed(_candidates(shared))
    times = _times(shared, lambda asked: network.compare(network.embed(asked[0]).expand_as(kept), kept))
    columns: dict[str, Column] = {Accuracy().name: (Accuracy(), right), TIME.name: (TIME, times)}
    return Measured(columns, {"steps": shared.steps, "seconds": seconds}, parameters_of(network))


def _candidates(shared: _Shared) -> Tensor:
    """The second sentences of the test, again and again until there are enough."""
    second = shared.test.second
    return second.repeat(math.ceil(CANDIDATES / len(second)), 1)[:CANDIDATES].to(shared.device)


@torch.no_grad()
def _times(shared: _Shared, score: Callable[[tuple[Tensor, Tensor]], Tensor]) -> Statistics:
    """How long a query takes against all candidates, the logarithm of milliseconds."""
    candidates, found = _candidates(shared), []
    for query in shared.test.first[: shared.queries].to(shared.device).split(1):
        began = time.perf_counter()
        score((query, candidates)).cpu()
        found.append(math.log10(1000 * (time.perf_counter() - began)))
    return TIME.of(found)
