"""MEND: demonstrations distilled into a few vectors, for tasks that were never seen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from limbeck.evaluation.metrics import Accuracy
from limbeck.methods.base import Method
from limbeck.methods.logits import LogitDistillation
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Arm as Declared
from limbeck.systems.findings import Findings, Role
from limbeck.systems.incontext.networks import Distiller, InContextReader, SoftPrompts
from limbeck.systems.incontext.reading import reader_of
from limbeck.systems.incontext.tasks import DEMONSTRATIONS, Prompts, as_questions, chosen, mappings, prompts
from limbeck.systems.lab import Lab, Scale, Split
from limbeck.systems.measured import Measured, run_all
from limbeck.systems.options import at_least, between
from limbeck.systems.registry import system
from limbeck.systems.tables import Table
from limbeck.systems.taught import Taught, said_by
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.schedule import Schedule
from limbeck.training.seed import set_seed


@dataclass(frozen=True)
class Arm:
    """How the vectors before a question are made.

    Args:
        role: In the table.
        title: In the table.
        first: Share of the steps that goes to texts of all kinds, before the meta-training tasks.
        kl: Weight of the teacher on the tasks; texts are learnt from the teacher alone.
        labels: Weight of the answers on the tasks.
    """

    role: Role
    title: str
    first: float = 0.5
    kl: float = 1.0
    labels: float = 1.0


BATCH, RATE = 32, 2e-3
"""Prompts a step, and the distillers' learning rate; both were chosen on validation prompts."""
TRAINED = {
    "labels": Arm("baseline", "distiller, answers only", first=0.0, kl=0.0),
    "kl": Arm("ablation", "distiller, teacher only", labels=0.0),
    "one-stage": Arm("ablation", "distiller, no first stage", first=0.0),
    "mend": Arm("method", "MEND"),
}
UNTRAINED: dict[str, tuple[Role, str]] = {
    "demonstrations": ("teacher", "all demonstrations"),
    "nothing": ("baseline", "no demonstration"),
    "random": ("baseline", "random vectors"),
}


@system(
    slug="mend",
    title="MEND: Meta dEmonstratioN Distillation for Efficient and Effective In-Context Learning",
    year=2024,
    arxiv="2403.06914",
    domain="language",
    needs=("logits",),
    claim="A few vectors that a small model makes of demonstrations serve a frozen model like the demonstrations.",
)
def mend(
    lab: Lab,
    *,
    vectors: int = 4,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A frozen language model that reads all demonstrations teaches a distiller that makes a few vectors of them.

    The student's pass is ``LLM([vectors; questions])``, the teacher's ``LLM([demonstrations; questions])``, and at the
    places of the questions the first learns ``KL(teacher, student)``: in a first stage on texts of any task, of which
    the first part counts as demonstrations, in a second on 300 tasks with ``CE(answers) + KL``. Tested are tasks that
    were in neither stage. A task maps 12 symbols to 4 labels at random; a demonstration is one word for both, so that 8
    demonstrations are 8 words, and `--vectors` is to be smaller. All distillers take the same number of steps in all.
    Prompt tuning trains vectors for each test prompt on its demonstrations, all at once, a sixteenth of those steps.

    The paper's numbers on MetaICL are unverified; T5, and the options of its code, are left out.
    """
    at_least(1, steps=steps)
    between(1, DEMONSTRATIONS - 1, vectors=vectors)
    length = lab.pick(smoke=4, default=2000, full=10_000) if steps is None else steps
    each = lab.pick(smoke=2, default=4, full=20)
    texts = mappings(lab.pick(smoke=100, default=6000, full=60_000), seed=1)
    tasks = mappings(lab.pick(smoke=20, default=300, full=300), seed=2)
    judging = {"test": 3, "val": 13}[judged_by]
    reader = reader_of(lab)
    shared = _Shared(
        prompts(texts, 1, seed=1),
        prompts(tasks, each * 5, seed=2),
        prompts(mappings(60, seed=judging), each, seed=judging),
        vectors,
        length,
        lab.cache,
        lab.scale,
        lab.device,
    )
    taught = [
        said_by(reader, part.demonstrations, part.questions, device=lab.device) for part in (shared.texts, shared.tasks)
    ]
    findings, accuracy = Findings(), Accuracy()
    right = shared.unseen.questions[:, 1::2].flatten().tolist()
    for seed in lab.seeds:
        for name, (role, title) in UNTRAINED.items():
            findings.declare(name, role=role, title=title)
            said = _untrained(reader, name, shared, seed)
            findings.add(name, accuracy, seed, accuracy.statistics(said.flatten().tolist(), right))
    jobs = [_Job(name, seed, shared, taught[0], taught[1]) for seed in lab.seeds for name in ("tuning", *TRAINED)]
    run_all(lab, findings, jobs, _train, arm=_arm, workers=workers)
    findings.claim_all(
        ("MEND comes within 5 points of all demonstrations", "mend", "demonstrations", "accuracy", -5.0),
        ("MEND is 20 points better than no demonstration", "mend", "nothing", "accuracy", 20.0),
        ("MEND is better than answers only", "mend", "labels", "accuracy"),
        ("MEND is better than without its first stage", "mend", "one-stage", "accuracy"),
        ("MEND is better than prompt tuning", "mend", "tuning", "accuracy"),
    )
    findings.notes.append(f"words before a question: {DEMONSTRATIONS} demonstrations, or {vectors} vectors")
    return findings


@dataclass(frozen=True, eq=False)
class _Shared:
    texts: Prompts
    tasks: Prompts
    unseen: Prompts
    vectors: int
    steps: int
    cache: Path
    scale: Scale
    device: str


@dataclass(frozen=True, eq=False)
class _Job:
    arm: str
    seed: int
    shared: _Shared
    of_texts: Tensor
    of_tasks: Tensor


def _arm(job: _Job) -> Declared:
    if job.arm == "tuning":
        return Declared("tuning", "prompt tuning, a prompt at a time", "baseline")
    arm = TRAINED[job.arm]
    return Declared(job.arm, arm.title, arm.role)


def _train(job: _Job) -> Measured:
    started, shared = time.perf_counter(), job.shared
    reader = reader_of(Lab(cache=shared.cache, scale=shared.scale, device=shared.device, quiet=True))
    set_seed(job.seed)
    if job.arm == "tuning":
        tuned = SoftPrompts(reader, len(shared.unseen), shared.vectors).to(shared.device)
        asked, labels = as_questions(shared.unseen.demonstrations)
        table = Table(rows=torch.arange(len(shared.unseen)), questions=asked, labels=labels)
        steps = max(1, shared.steps // 16)
        plan = _plan(job, steps, lr=3e-2, warmup=steps // 10)
        _fit(tuned, table.batches(len(table)), "rows", [], 1.0, plan, job)
        return _judged(tuned, torch.arange(len(shared.unseen)), shared, started)
    arm, distiller = TRAINED[job.arm], Distiller(reader, shared.vectors).to(shared.device)
    kl: list[Method] = [LogitDistillation(weight=arm.kl)] if arm.kl else []
    first = round(arm.first * shared.steps)
    # One learning rate for both stages: it stays up in the first, and the second begins with a few steps for Adam's
    # moments, which are new.
    if first:
        part = _table(shared.texts, job.of_texts)
        plan = _plan(job, first, lr=RATE, warmup=first // 10, schedule="constant")
        _fit(distiller, part.batches(BATCH), "demonstrations", [LogitDistillation()], 0.0, plan, job)
    last = shared.steps - first
    plan = _plan(job, last, lr=RATE, warmup=min(20, last // 10) if first else last // 10)
    batches = _table(shared.tasks, job.of_tasks).batches(BATCH)
    _fit(distiller, batches, "demonstrations", kl, arm.labels, plan, job)
    return _judged(distiller, shared.unseen.demonstrations, shared, started)


def _table(part: Prompts, teacher: Tensor) -> Table:
    return Table(demonstrations=part.demonstrations, questions=part.questions, labels=part.labels, teacher=teacher)


def _plan(job: _Job, steps: int, *, lr: float, warmup: int, schedule: Schedule = "cosine") -> Plan:
    return Plan(lr=lr, clip=1.0, max_steps=steps, schedule=schedule, warmup=warmup, seed=job.seed)


def _fit(
    network: nn.Module,
    batches: DataLoader[dict[str, Tensor]],
    given: str,
    methods: list[Method],
    labels: float,
    plan: Plan,
    job: _Job,
) -> None:
    task = Taught(network, (given, "questions"), methods, label_weight=labels)
    fit(task, batches, plan, accelerator=accelerator_on(job.shared.device), progress=False)


def _judged(network: nn.Module, given: Tensor, shared: _Shared, started: float) -> Measured:
    said = chosen(said_by(network, given, shared.unseen.questions, device=shared.device))
    wanted = shared.unseen.questions[:, 1::2]
    right = Accuracy().statistics(said.flatten().tolist(), wanted.flatten().tolist())
    spent = {"seconds": time.perf_counter() - started}
    if isinstance(network, SoftPrompts):  # made for the test prompts: neither its steps nor its size compare
        return Measured({Accuracy().name: (Accuracy(), right)}, spent)
    size = parameters_of(network, learning=True)
    return Measured({Accuracy().name: (Accuracy(), right)}, {"steps": shared.steps, **spent}, size)


def _untrained(reader: InContextReader, name: str, shared: _Shared, seed: int) -> Tensor:
    network: nn.Module = reader
    shown = shared.unseen.demonstrations
    if name == "random":
        set_seed(seed)
        network, shown = SoftPrompts(reader, len(shown), shared.vectors), torch.arange(len(shown))
    elif name != "demonstrations":
        shown = shown[:, :0]
    return chosen(said_by(network, shown, shared.unseen.questions, device=shared.device))
