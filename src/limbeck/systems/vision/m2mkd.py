"""m2mKD: each module of a modular student learns from a module of its teacher, inside one small network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.methods.logits import LogitDistillation
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.measured import Column, Measured
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.hybrids import Hybrid, Modular, incubated, learn, load_entropy
from limbeck.systems.vision.measures import right
from limbeck.systems.vision.models import Classifier, Shape
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, new_student, run_all, train
from limbeck.training.callbacks import Callback, Progress
from limbeck.world.views import Shift

META, TEACHER = Shape("vit", (64,) * 3, patch=8), Shape("vit", (64,) * 3, depth=2, patch=8)
STUDENT = Modular("vit", (48,) * 3, patch=8)
SHIFTED: tuple[Shift, ...] = ("noisy", "grey", "moved")
OOD, EARLY, LOAD = Accuracy("shifted accuracy"), Accuracy("early accuracy"), Mean("evenness of experts")


@dataclass(frozen=True)
class Way:
    """How an arm is trained.

    Args:
        modules: Share of the teacher's words in the training of modules; None leaves that out.
        meta: Whether the network around the modules knows anything.
        whole: Whether the teacher teaches from end to end.
        longer: Whether the steps of the modules are added to those from end to end.
    """

    modules: float | None = None
    meta: bool = True
    whole: bool = False
    longer: bool = False


ARMS: Mapping[str, tuple[Role, str, Way]] = {
    "scratch": ("baseline", "from end to end", Way()),
    "kd": ("baseline", "from end to end, KD", Way(whole=True)),
    "kd-long": ("baseline", "from end to end, KD, with the modules' steps", Way(whole=True, longer=True)),
    "m2mkd": ("method", "m2mKD", Way(modules=0.5)),
    "labels": ("ablation", "modules by labels alone", Way(modules=0.0)),
    "random-meta": ("ablation", "m2mKD in a network that knows nothing", Way(modules=0.5, meta=False)),
}


@dataclass(frozen=True, eq=False)
class ModularJob(Job):
    """A job whose student's modules are trained before it.

    Args:
        way: How.
        meta: The network around the modules.
        before: For how long each module is trained.
    """

    way: Way = Way()
    meta: nn.Module | None = None
    before: Budget = field(default_factory=Budget)


@system(
    slug="m2mkd",
    title="m2mKD: Module-to-Module Knowledge Distillation for Modular Transformers",
    year=2024,
    arxiv="2402.16918",
    domain="vision",
    needs=("logits",),
    claim="A student of experts learns more if each module first learns from the teacher's in a shared small network.",
)
def m2mkd(
    lab: Lab,
    *,
    before: int | None = None,
    steps: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A vision transformer in three modules teaches three modules of experts one by one; then the student is trained.

    A meta network (one block a stage) is trained; the teacher's stages (two blocks) are trained in its place one by
    one, joined and fine-tuned. For each i the student's module i learns in the meta network, between linear stitches,
    from the teacher's module i in the same place: ``L = (1 - a) CE + a KL(teacher hybrid, student hybrid)``, a = 0.5,
    temperature 1; meta network and teacher are frozen. The modules, without stitches, are then the student's first
    weights. Arms: from end to end; with KD from the whole teacher, also with the modules' steps added; m2mKD; modules
    by labels alone; a meta network that knows nothing. Shifted pictures are noisy, grey and moved; early is after a
    quarter of the steps. Mixup, cutmix and the loss that spreads tokens over experts are left out. Not tuned: shapes,
    learning rates, steps from end to end; those of the modules are of two, by validation pictures.
    """
    sizes = lab.pick(
        smoke=Sizes(48, 24, 40, 48), default=Sizes(1200, 1000, 2000, 6000), full=Sizes(4000, 2000, 4000, 20_000)
    )
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=4, default=240, full=4000) if steps is None else steps, lr=2e-3)
    first = Budget(before or lab.pick(smoke=1, default=400, full=2000), lr=2e-3)
    long = Budget(lab.pick(smoke=1, default=400, full=8000), lr=2e-3)
    pool = image_set(sizes=sizes)
    meta = image_teacher(lab, META, pool, long)
    teacher = incubated(lab, meta, TEACHER, pool, long)
    torch.manual_seed(0)
    ignorant = META.build(len(pool.classes)).requires_grad_(False)
    findings, jobs = Findings(), []
    for seed in lab.seeds:
        mine = image_set(sizes=replace(sizes, pool=1), seed=seed, judged_by=judged_by).without_pool()
        jobs.append(ModularJob("teacher", "teacher", "the teacher", seed, STUDENT, mine, budget, teacher))
        for arm, (role, title, way) in ARMS.items():
            more = first.steps * len(STUDENT.widths) if way.longer else 0
            jobs.append(
                ModularJob(
                    arm, role, title, seed, STUDENT, mine, replace(budget, steps=budget.steps + more), teacher,
                    methods=({"name": "logits", "weight": 0.5},) if way.whole else (),
                    label_weight=0.5 if way.whole else 1.0, device=lab.device,
                    way=way, meta=meta if way.meta else ignorant, before=first,
                )
            )  # fmt: skip
    run_all(lab, findings, jobs, workers, run=measured)
    accuracy = Accuracy().name
    findings.claim_all(
        ("m2mKD is better than training from end to end", "m2mkd", "scratch", accuracy),
        ("m2mKD is better than KD from end to end", "m2mkd", "kd", accuracy),
        ("m2mKD is better than KD with the modules' steps added", "m2mkd", "kd-long", accuracy),
        ("m2mKD is better on shifted pictures than KD", "m2mkd", "kd", OOD.name),
        ("m2mKD is ahead of KD early", "m2mkd", "kd", EARLY.name),
        ("the teacher's modules teach more than labels", "m2mkd", "labels", accuracy),
        ("the meta network must know something", "m2mkd", "random-meta", accuracy),
    )
    return findings


def modules(job: ModularJob) -> tuple[Modular, dict[str, float]]:
    """The student's shape with modules that learnt in hybrids, each beside the teacher's hybrid, and what that took."""
    share, meta, teacher = job.way.modules, job.meta, job.teacher
    assert isinstance(meta, Classifier)
    assert isinstance(teacher, Classifier)
    assert share is not None
    student = new_student(job)
    hybrids = [Hybrid(meta, student, stage) for stage in range(len(student.stages))]
    methods = [LogitDistillation(weight=share)] if share else []
    costs = [
        learn(
            hybrid, job.data.train, job.before, job.seed, teacher=Hybrid(meta, teacher, stage) if share else None,
            methods=methods, label_weight=1 - share, device=job.device,
        )
        for stage, hybrid in enumerate(hybrids)
    ]  # fmt: skip
    shape = job.student
    assert isinstance(shape, Modular)
    weights = {name: value.detach().cpu() for name, value in student.state_dict().items()}
    return replace(shape, weights=weights), {name: sum(one[name] for one in costs) for name in costs[0]}


class Early(Callback):
    """Judges the student of a job once on the way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.found: Column | None = None

    def on_step(self, progress: Progress) -> None:
        """After a quarter of the steps."""
        if self.found is None and progress.share >= 0.25:
            student = progress.task.student
            assert isinstance(student, nn.Module)
            self.found = EARLY, right(student, self.job.judges, self.job.device)[1]


def measured(job: Job) -> Measured:
    """Accuracy in the end and early, on shifted pictures, and how evenly experts are used."""
    assert isinstance(job, ModularJob)
    early = Early(job)
    columns: dict[str, Column] = {}
    spent: dict[str, float] = {}
    if job.role == "teacher":
        assert job.teacher is not None
        network = job.teacher
    else:
        shape, before = modules(job) if job.way.modules is not None else (job.student, {})
        network, spent = train(replace(job, student=shape), early)
        spent = {name: cost + before.get(name, 0.0) for name, cost in spent.items()}
        assert early.found is not None
        columns[EARLY.name] = early.found
        columns[LOAD.name] = LOAD, LOAD.of([load_entropy(network, job.judges.at(slice(0, 250)), job.device)])
    columns[Accuracy().name] = right(network, job.judges, job.device)
    under = [right(network, job.judges.shifted(shift), job.device)[1] for shift in SHIFTED]
    columns[OOD.name] = OOD, np.mean(under, axis=0)
    return Measured(columns, spent, parameters_of(network))
