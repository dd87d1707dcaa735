"""Margin-MSE: fast rankers learn the margins of slow ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.evaluation.metrics import Mean
from limbeck.evaluation.ranking import ndcg, reciprocal_rank
from limbeck.methods.base import Method
from limbeck.methods.logits import LogitDistillation
from limbeck.methods.margins import MarginDistillation
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Arm as Declared
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Column, Measured, enter, run_all
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.retrieval.corpus import TOKENS, Corpus, Queries
from limbeck.systems.retrieval.rankers import TwoTowers, ranknet
from limbeck.systems.retrieval.training import WRONG, cross_teacher, fit_ranker, scores_of
from limbeck.systems.taught import Taught
from limbeck.training.plan import Plan
from limbeck.training.seed import set_seed

TEACHERS = 3
SCALE, SHIFT = 8.0, 5.0
NDCG, MRR = Mean("nDCG@10", scale=100.0), Mean("MRR@10", scale=100.0)
STUDENTS = {"dot": "bi-encoder", "late": "late interaction"}


@dataclass(frozen=True)
class Arm:
    """How a student learns.

    Args:
        role: In the table.
        title: In the table.
        method: None learns from labels.
        ensemble: Whether the mean of all teachers teaches, or the first alone.
    """

    role: Role
    title: str
    method: Callable[[], Method] | None = None
    ensemble: bool = True


ARMS = {
    "ranknet": Arm("baseline", "labels (RankNet)"),
    "pointwise": Arm("baseline", "pointwise MSE", lambda: MarginDistillation(loss="pointwise_mse")),
    "weighted": Arm("baseline", "weighted RankNet", lambda: MarginDistillation(loss="weighted_ranknet")),
    "listwise": Arm("baseline", "listwise KL", LogitDistillation),
    "margin-single": Arm("ablation", "Margin-MSE, one teacher", MarginDistillation, ensemble=False),
    "margin": Arm("method", "Margin-MSE, three teachers", MarginDistillation),
}


@system(
    slug="margin-mse",
    title="Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation",
    year=2020,
    arxiv="2010.02666",
    domain="retrieval",
    needs=("logits",),
    claim="Matching a slow ranker's margins, not its scores, teaches fast rankers of other architectures best.",
)
def margin_mse(
    lab: Lab, *, steps: int | None = None, judged_by: Split = "test", workers: int | None = None
) -> Findings:
    """Cross-encoders, which read query and document together, teach rankers that encode them apart.

    Documents are captions of scenes without stop words; queries are their paraphrases by synonyms. All models learn
    from one labelled document a query, a fifth of them wrong, and four others, of which some are relevant as well.
    Teachers (three seeds) see four times as many queries, for want of pre-training, and their scores are given on
    another scale: 8 times, plus 5. Students, a bi-encoder and late interaction, learn from the labels by RankNet or
    from the teachers' mean alone by ``((s+ - s-) - (t+ - t-))^2``, by squared error a document, by RankNet weighted by
    the teacher's margin, or by the KL of the softmax over a query's documents. All have the same network, steps and
    learning rate. Tested is the order of 60 documents for each query.

    The paper's numbers on MS MARCO, which this system does not repeat, are unverified.
    """
    at_least(1, steps=steps)
    length = lab.pick(smoke=5, default=400, full=2000) if steps is None else steps
    shown, asked = lab.pick(smoke=64, default=1600, full=8000), lab.pick(smoke=20, default=200, full=1000)
    corpus = Corpus("train", lab.pick(smoke=200, default=4000, full=20_000))
    held = Corpus(judged_by, 600)
    tests, texts = held.queries(asked, seed=0, related=29, others=30), held.documents
    teachers = [cross_teacher(lab, corpus, number, 4 * shown) for number in range(1, TEACHERS + 1)]
    findings, shared = Findings(), _Shared(tests, texts, length, lab.device)
    started = time.perf_counter()
    said = [scores_of(teacher, tests, texts, lab.device) for teacher in teachers]
    slow = len(tests) * TEACHERS / (time.perf_counter() - started)
    jobs = []
    for seed in lab.seeds:
        for name, title, scores, those in (
            ("teacher", "a cross-encoder", said[0], teachers[:1]),
            ("teachers", "three cross-encoders", torch.stack(said).mean(0), teachers),
        ):
            found = Measured(_columns(scores, tests), parameters=sum(map(parameters_of, those)))
            enter(findings, Declared(name, title, "teacher"), seed, found)
        train = corpus.queries(shown, seed=seed, related=2, others=2, wrong=WRONG)
        given = torch.stack([scores_of(teacher, train, corpus.documents, lab.device) for teacher in teachers])
        given = SCALE * given + SHIFT
        documents = corpus.documents[train.candidates]
        jobs += [
            _Job(arm, student, seed, train.words, documents, given.mean(0) if ARMS[arm].ensemble else given[0], shared)
            for student in STUDENTS
            for arm in ARMS
        ]
    done = run_all(lab, findings, jobs, _train, arm=_declared, workers=workers)
    _claims(findings)
    findings.notes.append(f"queries a second over 60 documents, one cross-encoder: {slow:.0f}")
    for student, title in STUDENTS.items():
        rates = [done[job].noted["queries a second"] for job in jobs if job.student == student]
        findings.notes.append(
            f"queries a second, {title} with documents encoded beforehand: {sum(rates) / len(rates):.0f}"
        )
    return findings


def _claims(findings: Findings) -> None:
    metric = NDCG.name
    for student, title in STUDENTS.items():
        margin, pointwise = f"{student}-margin", f"{student}-pointwise"
        for baseline in ("pointwise", "weighted", "listwise", "ranknet"):
            text = f"{title}: Margin-MSE is better than {ARMS[baseline].title}"
            findings.claim(text, arm=margin, baseline=f"{student}-{baseline}", metric=metric)
        several = f"{title}: three teachers are at least as good as one (within 0.5 points)"
        findings.claim_all(
            (f"{title}: pointwise MSE is better than labels", pointwise, f"{student}-ranknet", metric),
            (several, margin, f"{student}-margin-single", metric, -0.5),
        )


@dataclass(frozen=True, eq=False)
class _Shared:
    tests: Queries
    texts: Tensor
    steps: int
    device: str


@dataclass(frozen=True, eq=False)
class _Job:
    arm: str
    student: str
    seed: int
    queries: Tensor
    documents: Tensor
    teacher: Tensor
    shared: _Shared


def _declared(job: _Job) -> Declared:
    arm = ARMS[job.arm]
    return Declared(f"{job.student}-{job.arm}", f"{STUDENTS[job.student]}, {arm.title}", arm.role)


def _train(job: _Job) -> Measured:
    started, shared, arm = time.perf_counter(), job.shared, ARMS[job.arm]
    set_seed(job.seed)
    network = TwoTowers(TOKENS, late=job.student == "late").to(shared.device)
    methods = [] if arm.method is None else [arm.method()]
    task = Taught(network, ("queries", "documents"), methods, labels=ranknet, label_weight=0.0 if methods else 1.0)
    steps = shared.steps
    plan = Plan(
        lr=2e-3, weight_decay=0.01, clip=1.0, max_steps=steps, schedule="cosine", warmup=steps // 20, seed=job.seed
    )
    fit_ranker(task, job.queries, job.documents, job.teacher, plan, shared.device)
    seconds = time.perf_counter() - started
    with torch.no_grad():
        states, mask = network.encode(shared.texts.to(shared.device))
        asked, those = shared.tests.words.to(shared.device), shared.tests.candidates.to(shared.device)
        told = states[those], mask[those]
        began = time.perf_counter()
        scores = network.compare(network.encode(asked), told).cpu()
        rate = len(shared.tests) / (time.perf_counter() - began)
    spent = {"steps": steps, "seconds": seconds}
    return Measured(_columns(scores, shared.tests), spent, parameters_of(network), {"queries a second": rate})


def _columns(scores: Tensor, tests: Queries) -> dict[str, Column]:
    said, grades = scores.double().numpy(), tests.grades.numpy()
    return {
        NDCG.name: (NDCG, NDCG.of(ndcg(said, grades))),
        MRR.name: (MRR, MRR.of(reciprocal_rank(said, grades == 3))),
    }
