"""TopKLD: a model teaches its copy of few bits, mode-seeking on what is drawn and mode-covering on the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from limbeck.errors import LimbeckError
from limbeck.evaluation.metrics import Mean
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab, Split
from limbeck.systems.language.arms import Arm, Budget, logits
from limbeck.systems.language.models import Shape
from limbeck.systems.language.quantization import quantize, total_bits
from limbeck.systems.language.taid import corpus
from limbeck.systems.language.teachers import Teacher, long_budget
from limbeck.systems.language.training import Job, measured, new_student, run_all, train
from limbeck.systems.measured import Column, Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.world.language import Language

KILOBITS = Mean("kilobits", lower_is_better=True)
BITS = range(2, 16)
"""Rounding needs two; and one more than asked for is still no more than all else has."""


def arms(bits: int, k: int) -> list[Arm]:
    """All arms; those without ``trained`` are rounded and left at that."""
    at = {"bits": bits, "trained": True}

    def topkld(name: str, title: str, role: Literal["method", "ablation"], **options: object) -> Arm:
        return Arm(name, title, role, logits("topk_split_kl", **{"k": k, **options}), options=at)

    return [
        Arm("teacher", "full precision", "teacher"),
        *(
            Arm(f"rounded-{b}", f"rounded, {b} bits", "baseline", options={"bits": b})
            for b in sorted({8, bits + 1, bits, bits - 1} - {1}, reverse=True)
        ),
        # At the rate of the others it ends further from its teacher.
        Arm("qat", f"trained on text, {bits} bits", "baseline", None, 1.0, options=at | {"lr": 1e-4}),
        Arm("forward-kl", f"forward KL, {bits} bits", "baseline", logits("forward_kl"), options=at),
        Arm("reverse-kl", f"reverse KL, {bits} bits", "baseline", logits("reverse_kl"), options=at),
        Arm("js", f"Jensen-Shannon, {bits} bits", "baseline", logits("generalized_js", beta=0.5), options=at),
        topkld("topkld", f"TopKLD, {bits} bits", "method"),
        topkld("topkld-swapped", "TopKLD, orders swapped", "ablation", head="forward", tail="reverse"),
        topkld("topkld-literal", "TopKLD, literal", "ablation", parts="literal"),
        topkld("topkld-k-4", "TopKLD, k = 4", "ablation", k=4),
        topkld("topkld-k-64", "TopKLD, k = 64", "ablation", k=64),
    ]


@system(
    slug="topkld",
    title="Dissecting Bit-Level Scaling Laws in Quantizing Vision Generative Models",
    year=2025,
    arxiv="2501.06218",
    domain="language",
    needs=("logits",),
    claim="Distilled by TopKLD, an autoregressive model does with one bit less than without.",
)
def topkld(
    lab: Lab,
    *,
    bits: int = 3,
    k: int = 16,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A two-layer GPT teaches itself with weights of few bits and activations of 8.

        loss = sum over the teacher's k likeliest words of q log(q / p) - q + p
             + sum over the others of p log(p / q) - p + q

    Weights of the blocks are rounded an output channel, activations a word, both straight through; embeddings stay as
    they are. Samples are drawn among the k likeliest words, the set that the loss splits at.

    What the paper does with generators of pictures is done here with a language model; its other half, that diffusion
    loses more by quantisation than autoregression, is not. The loss is that of a description of the paper, not checked
    against code, and its parts are generalised divergences: as the equation stands (`topkld-literal`) it is not at its
    minimum where student and teacher agree.
    """
    at_least(1, k=k, steps=steps)
    if bits not in BITS:
        raise LimbeckError(f"--bits: got {bits}, expected {BITS[0]} to {BITS[-1]}")
    language = Language()
    splits = corpus(lab, language)
    budget = Budget(lab.pick(smoke=3, default=300, full=1500) if steps is None else steps, lr=3e-4)
    shape = Shape(96, layers=2, heads=4)
    teacher = Teacher("language-96", shape, splits, long_budget(lab), lab.cache, lab.device)
    findings, samples = Findings(), lab.pick(smoke=10, default=500, full=2000)
    jobs = [
        Job(
            Arm(**{**vars(arm), "options": {**arm.options, "k": k}}),
            seed,
            shape,
            splits,
            replace(budget, lr=arm.options.get("lr", budget.lr)),
            language,
            teacher,
            samples,
            judged_by,
            teacher,
        )
        for seed in lab.seeds
        for arm in arms(bits, k)
    ]
    run_all(lab, findings, jobs, workers, run=run_job)
    _claims(findings, bits)
    return findings


def run_job(job: Job) -> Measured:
    """One arm with one seed."""
    teacher, options = job.ask(), job.arm.options
    if job.arm.role == "teacher":
        return Measured(_columns(job, teacher, teacher, 16), {}, parameters_of(teacher))
    student = quantize(new_student(job), options["bits"])
    spent: dict[str, float] = {}
    if options.get("trained"):
        student, spent = train(job, teacher, student=student)
    return Measured(_columns(job, student, teacher, options["bits"]), spent, parameters_of(student))


def _columns(job: Job, model: object, teacher: object, bits: int) -> dict[str, Column]:
    size = total_bits(model, bits) / 1000
    said = measured(job, model, teacher, top_k=job.arm.options["k"])
    return {**said, KILOBITS.name: (KILOBITS, KILOBITS.of([size]))}


def _claims(findings: Findings, bits: int) -> None:
    less, more = f"rounded-{bits}", f"rounded-{bits + 1}"
    far = "KL to the teacher"
    findings.claim_all(
        ("TopKLD is no further from the teacher than forward KL (a tenth)", "topkld", "forward-kl", far, 0.0, 1.1),
        ("TopKLD is no further from the teacher than reverse KL (a tenth)", "topkld", "reverse-kl", far, 0.0, 1.1),
        ("TopKLD is closer to the teacher than training on text", "topkld", "qat", far),
        ("TopKLD writes more valid texts than training on text", "topkld", "qat", "valid"),
        ("TopKLD writes no fewer valid texts than forward KL (1 point)", "topkld", "forward-kl", "valid", -1.0),
        ("TopKLD is closer to the teacher than rounding", "topkld", less, far),
        (f"TopKLD with {bits} bits is closer than rounding to {bits + 1}", "topkld", more, far),
    )
