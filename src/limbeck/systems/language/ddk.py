"""DDK: domains in which the student trails its teacher most get more of the budget."""

from __future__ import annotations

from typing import Any

import numpy as np

from limbeck.distill.examples import Example
from limbeck.evaluation.metrics import Mean
from limbeck.evaluation.perplexity import PerplexityRatio
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab, Split
from limbeck.systems.language.arms import Arm, Budget, logits
from limbeck.systems.language.domains import DomainClock, DomainLoader, Domains, domain_nll
from limbeck.systems.language.examples import Splits, all_words
from limbeck.systems.language.measures import NLL, likelihood
from limbeck.systems.language.models import Shape
from limbeck.systems.language.teachers import Teacher
from limbeck.systems.language.training import Job, new_student, run_all, train
from limbeck.systems.measured import Column, Measured
from limbeck.systems.options import at_least, between
from limbeck.systems.registry import system
from limbeck.world.language import TOPICS, Language
from limbeck.world.language.vocabulary import Vocabulary

RATIO = PerplexityRatio("perplexity ratio", len(TOPICS))
WORST = PerplexityRatio("worst perplexity ratio", len(TOPICS), worst=True)
CHANGE = Mean("change of shares", lower_is_better=True)


@system(
    slug="ddk",
    title="DDK: Distilling Domain Knowledge for Efficient Large Language Models",
    year=2024,
    arxiv="2407.16154",
    domain="language",
    needs=("logits",),
    claim="Drawing more of the domains in which the student trails its teacher makes a better student.",
)
def ddk(
    lab: Lab,
    *,
    steps: int | None = None,
    updates: int = 10,
    smoothing: float = 0.5,
    kl_weight: float = 0.2,
    width: int = 24,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A two-layer GPT teaches a one-layer GPT that knows two of the language's six topics well and the others hardly.

        r = a psi / sum psi + (1 - a) / N,  psi = r exp(PPL_S / PPL_T),   loss = CE + 0.2 KL(teacher, student)

    r are the shares of the topics in what is drawn. The student is measured on validation texts of each topic every
    ``steps // updates`` steps (`--updates`), or before each step where that is 0. The first time, before any step, r
    becomes the softmax of the perplexity ratios and nothing is moved, so that ten are nine updates: until the second
    time all topics are drawn alike. With `--kl-weight 0` no arm asks the teacher, which then serves the sampler alone.

    Equations are from the paper's text; no code was found. The paper writes KL in the order (student, teacher); forward
    KL is taken here.
    """
    at_least(2, steps=steps, updates=updates)  # the first time only measures: one alone would move nothing
    at_least(0, kl_weight=kl_weight)
    between(0, 1, smoothing=smoothing)
    language = Language()
    domains = corpus(lab, language.vocabulary)
    budget = Budget(lab.pick(smoke=6, default=400, full=4000) if steps is None else steps, lr=6e-3)
    long = Budget(lab.pick(smoke=4, default=2500, full=8000), lr=3e-3)
    teacher = Teacher("topics", Shape(96, layers=2, heads=4), domains, long, lab.cache, lab.device)
    start = Teacher("two-topics", Shape(width), _two_topics(domains), budget, lab.cache, lab.device)
    every = max(1, budget.steps // updates)
    findings = Findings()
    jobs = [
        Job(arm, seed, Shape(width), domains, budget, language, teacher, 0, judged_by, start)
        for seed in lab.seeds
        for arm in arms(every, smoothing, kl_weight)
    ]
    run_all(lab, findings, jobs, workers, run=run_job)
    _claims(findings)
    return findings


def arms(every: int, smoothing: float, kl_weight: float) -> list[Arm]:
    """All arms."""
    kd = logits("forward_kl") | {"weight": kl_weight} if kl_weight else None  # of weight 0 a method would be refused
    moving = {"every": every, "smoothing": smoothing}
    return [
        Arm("start", "student before", "baseline", options={"untrained": True}, description="knows two topics"),
        Arm("cpt", "cross-entropy, even", "baseline", None, 1.0),
        Arm("even", "KD, even", "baseline", kd, 1.0, "all topics drawn alike"),
        Arm("ddk", "DDK", "method", kd, 1.0, options=moving),
        Arm("ddk-unsmoothed", "DDK without smoothing", "ablation", kd, 1.0, options={**moving, "smoothing": 1.0}),
        Arm("ddk-without-kl", "DDK without KL", "ablation", None, 1.0, "the sampler alone", moving),
    ]


def corpus(lab: Lab, vocabulary: Vocabulary) -> Domains:
    """Each topic is a domain."""
    train = lab.pick(smoke=20, default=2000, full=20_000)
    held_out = lab.pick(smoke=6, default=100, full=500)
    parts = []
    for topic in TOPICS:
        of_topic = Language(topics=(topic,))
        given, val, test = (
            all_words(of_topic.sequences(split, count=count))
            for split, count in (("train", train), ("val", held_out), ("test", held_out))
        )
        parts.append(Splits(given, val, test, vocabulary))

    def joined(name: str) -> list[Example]:
        return [example for part in parts for example in getattr(part, name)]

    return Domains(joined("train"), joined("val"), joined("test"), vocabulary, tuple(parts))


def _two_topics(domains: Domains) -> Splits:
    """The first two topics, and a twentieth of each of the others."""
    train = [e for part in domains.parts[:2] for e in part.train]
    train += [e for part in domains.parts[2:] for e in part.train[: max(1, len(part.train) // 20)]]
    return Splits(train, domains.val, domains.test, domains.vocabulary)


def run_job(job: Job) -> Measured:
    """One arm with one seed."""
    teacher, domains, options = job.ask(), job.splits, job.arm.options
    assert isinstance(domains, Domains)
    student = new_student(job)
    if options.get("untrained"):
        return Measured(_measured(job, student, teacher, domains), {}, parameters_of(student))
    loader = DomainLoader(domains, job.budget.batch_size, job.budget.steps, job.seed)
    clocks = []
    if "every" in options:
        clocks.append(
            DomainClock(loader, student, domain_nll(teacher, domains), options["every"], options["smoothing"])
        )
    student, spent = train(job, teacher, *clocks, loader=loader, student=student)
    columns = _measured(job, student, teacher, domains)
    for clock in clocks:
        columns[CHANGE.name] = CHANGE, CHANGE.of(clock.changes)
    return Measured(columns, spent, parameters_of(student))


def _measured(job: Job, model: Any, teacher: Any, domains: Domains) -> dict[str, Column]:
    held_out = [part.test if job.judged_by == "test" else part.val for part in domains.parts]
    examples = [example for part in held_out for example in part]
    numbers = np.repeat(np.arange(len(held_out)), [len(part) for part in held_out])
    columns = likelihood(model, teacher, domains, examples)
    ours, theirs = columns[NLL.name][1], likelihood(teacher, None, domains, examples)[NLL.name][1]
    for metric in (RATIO, WORST):
        rows = metric.statistics(ours[:, 0], theirs[:, 0], ours[:, 1], numbers)
        columns[metric.name] = metric, rows
    return columns


def _claims(findings: Findings) -> None:
    findings.claim_all(
        ("DDK trails the teacher less than even KD, in the mean of topics", "ddk", "even", RATIO.name),
        ("DDK trails the teacher less than even KD, in the worst topic", "ddk", "even", WORST.name),
        ("smoothing keeps the shares steadier", "ddk", "ddk-unsmoothed", CHANGE.name),
        ("smoothing costs nothing in the mean of topics", "ddk", "ddk-unsmoothed", RATIO.name, -0.01),
        ("the teacher's words help beside the sampler", "ddk", "ddk-without-kl", RATIO.name),
    )
