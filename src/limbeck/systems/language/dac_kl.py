"""Semantic revision: the student's own samples corrected, the teacher's distribution clipped, spans related."""

from __future__ import annotations

import itertools
from typing import Any

from limbeck.distill.examples import next_tokens
from limbeck.evaluation.metrics import Mean
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab, Split
from limbeck.systems.language.arms import Arm, Budget, logits
from limbeck.systems.language.examples import Splits
from limbeck.systems.language.measures import NLL, likelihood
from limbeck.systems.language.models import Shape, write
from limbeck.systems.language.prompts import answers, span_words, with_noise
from limbeck.systems.language.revision import RevisedSampler, revise
from limbeck.systems.language.teachers import Teacher, own_start
from limbeck.systems.language.training import Job, run_all, train
from limbeck.systems.measured import Column, Measured
from limbeck.systems.options import at_least, between
from limbeck.systems.registry import system
from limbeck.world.language import Language

RIGHT = Mean("right answers", scale=100.0)
TAUGHT = Mean("teacher's NLL of what is learnt", lower_is_better=True)
REPEATED = Mean("repeated pairs", scale=100.0, lower_is_better=True)


def arms(language: Language) -> list[Arm]:
    """All arms; the span's words are those of noun phrases."""
    words, begins = span_words(language.vocabulary)
    clip: dict[str, Any] = {"name": "dac-kl"}
    top: dict[str, Any] = {"name": "dac-kl", "learned": False, "lower": 0.95, "upper": 9.0}
    span = {**clip, "span_weight": 1.0, "span_words": words, "span_begins": begins}
    own, revised = {"own": True}, {"own": True, "revised": True}
    forward = logits("forward_kl")
    return [
        Arm("teacher", "teacher", "teacher"),
        Arm("sft", "cross-entropy", "baseline", cross_entropy=1.0),
        Arm("kl", "forward KL", "baseline", forward, 1.0),
        Arm("reverse-kl", "reverse KL", "baseline", logits("reverse_kl"), 1.0),
        Arm("js", "Jensen-Shannon", "baseline", logits("generalized_js", beta=0.5), 1.0),
        Arm("top-k", "fixed top 5 %", "baseline", top, 1.0, "softly the likeliest 5 % of the words, not chosen"),
        Arm("dac", "DAC-KL", "ablation", clip, 1.0, "no samples of the student's"),
        Arm("own", "own samples, KL", "baseline", forward, 1.0, "three of four batches written by the student", own),
        Arm("revised", "own samples revised, KL", "ablation", forward, 1.0, options=revised),
        Arm("revised-dac", "own samples revised, DAC-KL", "ablation", clip, 1.0, options=revised),
        Arm("full", "all three parts", "method", span, 1.0, "revision, DAC-KL and spans", revised),
    ]


@system(
    slug="dac-kl",
    title="Multi-Granularity Semantic Revision for Large Language Model Distillation",
    year=2024,
    arxiv="2407.10068",
    domain="language",
    needs=("logits",),
    claim="Correcting the student's samples, clipping the teacher's distribution and relating spans each help.",
)
def dac_kl(
    lab: Lab,
    *,
    steps: int | None = None,
    width: int = 32,
    pretrain: int | None = None,
    noise: float = 0.08,
    own_share: float = 0.75,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A two-layer GPT that learnt to answer from noisy text teaches a small one-layer GPT.

        loss = CE + KL(p_T, p_S within the clipped classes) + |p_T(i) p_T(i+1) - p_S(i) p_S(i+1)| over pairs in spans

    In three of four batches the student answers the questions itself. Each answer is corrected once: where the
    teacher's likeliest word is another one and the two differ most, the teacher's word stands, and the student goes on
    from there. The words that CE sees in such batches are these. A network of two layers chooses for each word which
    quantiles of the teacher's distribution are compared; spans are noun phrases.

    Answers must copy the question's verb and things, agree with it, and know what is found where; some of their words
    in training are noise, so that the teacher has a long tail. All students begin as the same one, trained on the texts
    alone for `--pretrain` steps, since the paper's can answer before: what random weights write is not worth revising.

    Written after the paper's equations; no code was found, and the layout of the network is ours.
    """
    at_least(1, steps=steps)
    between(0, 1, noise=noise, own_share=own_share)
    language = Language(topics=("question", "colour", "place"))
    splits = corpus(lab, language, noise)
    budget = Budget(lab.pick(smoke=4, default=500, full=3000) if steps is None else steps, lr=4e-3)
    long = Budget(lab.pick(smoke=4, default=2500, full=8000), lr=3e-3)
    teacher = Teacher("answers", Shape(96, layers=2, heads=4), splits, long, lab.cache, lab.device)
    before = lab.pick(smoke=4, default=2500, full=8000) if pretrain is None else pretrain
    start = own_start(lab, "answers", Shape(width), splits, before)
    findings, samples = Findings(), lab.pick(smoke=10, default=2000, full=4000)
    jobs = [
        Job(
            Arm(**{**vars(arm), "options": {**arm.options, "share": own_share}}),
            seed,
            Shape(width),
            splits,
            budget,
            language,
            teacher,
            samples,
            judged_by,
            start,
        )
        for seed in lab.seeds
        for arm in arms(language)
    ]
    run_all(lab, findings, jobs, workers, run=run_job)
    _claims(findings)
    return findings


def corpus(lab: Lab, language: Language, noise: float) -> Splits:
    """Questions with answers; those of training are noisy."""
    train = answers(language, language.sequences("train", count=lab.pick(smoke=80, default=10_000, full=50_000)))
    held_out = lab.pick(smoke=20, default=500, full=2000)
    val, test = (answers(language, language.sequences(split, count=held_out)) for split in ("val", "test"))
    return Splits(with_noise(train, noise, language.vocabulary), val, test, language.vocabulary)


def run_job(job: Job) -> Measured:
    """One arm with one seed."""
    teacher = job.ask()
    if job.arm.role == "teacher":
        return Measured(_measured(job, teacher, teacher), {}, parameters_of(teacher))
    sampler = None
    if job.arm.options.get("own"):
        corrector = teacher if job.arm.options.get("revised") else None
        sampler = RevisedSampler(job.arm.options["share"], job.splits.vocabulary, corrector)
    student, spent = train(job, teacher, sampler=sampler)
    return Measured(_measured(job, student, teacher), spent, parameters_of(student))


def _measured(job: Job, model: Any, teacher: Any) -> dict[str, Column]:
    examples = job.examples
    asked = (examples * -(-job.samples // len(examples)))[: job.samples]
    prompts = [example.input_ids[: example.prompt] for example in asked]
    written = write(model, prompts, seed=job.seed)
    right = [job.language.is_valid([*p, *w]) for p, w in zip(prompts, written, strict=True)]
    learnt = written
    if job.arm.options.get("revised"):
        learnt = revise(model, teacher, prompts, written, end=job.splits.vocabulary.end, seed=job.seed)
    read = [next_tokens([*p, *w], prompt=len(p)) for p, w in zip(prompts, learnt, strict=True)]
    _, liked = likelihood(teacher, None, job.splits, read)[NLL.name]
    return {
        **likelihood(model, teacher, job.splits, examples),
        RIGHT.name: (RIGHT, RIGHT.of([float(one) for one in right])),
        TAUGHT.name: (TAUGHT, liked),
        REPEATED.name: (REPEATED, REPEATED.of([repeated(words) for words in learnt])),
    }


def repeated(words: list[int]) -> float:
    """The share of a text's pairs of neighbours that were there before.

    Example:
        >>> repeated([5, 6, 5, 6, 7])
        0.25
    """
    pairs = list(itertools.pairwise(words))
    return 1.0 - len(set(pairs)) / len(pairs) if pairs else 0.0


def _claims(findings: Findings) -> None:
    findings.claim_all(
        ("all parts answer better than own samples with KL", "full", "own", RIGHT.name),
        ("revised samples are likelier to the teacher than those left alone", "revised", "own", TAUGHT.name),
        ("revised samples repeat themselves no more (2 points)", "revised", "own", REPEATED.name, -2.0),
        ("DAC-KL answers no worse than forward KL (1 point)", "dac", "kl", RIGHT.name, -1.0),
        ("DAC-KL answers no worse than a fixed top k (1 point)", "dac", "top-k", RIGHT.name, -1.0),
        ("spans add to the other two parts", "full", "revised-dac", RIGHT.name),
    )
