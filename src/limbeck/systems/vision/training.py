"""One arm with one seed, as a job that any process can do, and all arms of a system side by side.

Measured on one core with the world's defaults (12 kinds, 2000 pictures): 500 steps take a student 7 to 11 s and to 74 %
(resnet), 61 % (vit) and 65 % (mixer) of validation pictures; the resnet teacher comes to 90 % from 8000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from limbeck.batch import Batch
from limbeck.methods.base import Method, Networks
from limbeck.methods.find import make_method
from limbeck.models.size import parameters_of
from limbeck.systems import measured
from limbeck.systems.findings import Arm, Findings, Role
from limbeck.systems.lab import Lab
from limbeck.systems.measured import Measured
from limbeck.systems.vision.data import ImageSet, Pictures
from limbeck.systems.vision.measures import right
from limbeck.systems.vision.models import Classifier, Shape
from limbeck.systems.vision.task import Change, ImageTask, Told, hidden_of
from limbeck.teachers.base import Teacher
from limbeck.teachers.live import LiveTeacher
from limbeck.training.callbacks import Callback, Progress
from limbeck.training.clock import MethodClock, methods_of
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.seed import set_seed, undisturbed_randomness
from limbeck.training.task import Task

Kept = TypeVar("Kept", bound=Method)
RATES: dict[str, float] = {"resnet": 5e-3, "vit": 2e-3, "mixer": 2e-3}
"""Learning rates of students at their peak, by family."""


@dataclass(frozen=True)
class Budget:
    """How long and how fast a network is trained.

    Args:
        steps: Optimiser steps.
        lr: At its peak; of students :data:`RATES`, 2e-3 for teachers.
        batch_size: Pictures in a step.
        weight_decay: Of AdamW.
    """

    steps: int = 500
    lr: float = 5e-3
    batch_size: int = 64
    weight_decay: float = 0.05

    def plan(self, seed: int = 0) -> Plan:
        """With a warm-up over a tenth of the steps, and a cosine after it."""
        return Plan(
            lr=self.lr, weight_decay=self.weight_decay, max_steps=self.steps, schedule="cosine",
            warmup=self.steps // 10, seed=seed,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Job:
    """One arm with one seed.

    Args:
        arm: Its name.
        role: In the table.
        title: In the table.
        seed: Of its first weights and of the order of batches.
        student: What learns.
        data: What from.
        budget: For how long.
        teacher: Teaches it by the methods.
        methods: Settings of each, with its ``name`` (:func:`~limbeck.methods.find.make_method`), or what makes one,
            which must be importable (a class, a ``functools.partial``).
        label_weight: Of the labels.
        change: Changes each batch in training, and must be importable; the teacher is asked anew each time.
        held: Pictures that the student does not learn from, for methods that learn from such.
        told: What the teacher says of the training pictures, if it was asked for several jobs (:func:`asked_once`).
        device: A torch device.
    """

    arm: str
    role: Role
    title: str
    seed: int
    student: Shape
    data: ImageSet
    budget: Budget
    teacher: nn.Module | None = None
    methods: Sequence[Mapping[str, Any] | Callable[[], Method]] = ()
    label_weight: float = 1.0
    change: Change | None = None
    held: Pictures | None = None
    told: Told | None = None
    device: str = "cpu"

    @property
    def judges(self) -> Pictures:
        """The held-out pictures."""
        return self.data.judges

    def make_methods(self) -> list[Method]:
        """New methods by their settings."""
        return [make_method(one) if isinstance(one, Mapping) else one() for one in self.methods]


def fit_pictures(
    task: Task, pictures: Pictures, budget: Budget, *, seed: int, device: str, callbacks: Sequence[Callback] = ()
) -> dict[str, float]:
    """Train a task on pictures; its networks are in evaluation mode afterwards.

    Args:
        task: What is trained.
        pictures: What from.
        budget: For how long.
        seed: Of the order of batches.
        device: A torch device.
        callbacks: Told what happens.

    Returns:
        What it took.
    """
    history = fit(
        task,
        pictures.batches(budget.batch_size),
        budget.plan(seed),
        callbacks=[MethodClock(), *callbacks],
        accelerator=accelerator_on(device),
        progress=False,
    )
    return {
        "steps": history.steps,
        "pictures": history.steps * budget.batch_size,
        "seconds": history.seconds,
    }


def new_student(job: Job) -> Classifier:
    """The student of a job before its training; what is random after this is seeded, too."""
    set_seed(job.seed)
    return job.student.build(len(job.data.classes), job.data.train.size).to(job.device)


def train(job: Job, *callbacks: Callback) -> tuple[Classifier, dict[str, float]]:
    """Train the student of a job.

    Returns:
        The student in evaluation mode, and what the training took.
    """
    student, pictures = new_student(job), job.data.train
    methods = job.make_methods()
    teacher: Teacher | None = None
    if job.teacher is not None and methods:
        sites = hidden_of(methods)[1]
        if job.change:
            teacher = LiveTeacher(job.teacher.to(job.device), ("pixels",), sites)
        else:
            teacher = job.told or Told.by(job.teacher, pictures, sites, job.device)
    held = None
    if job.held is not None:
        held = {"pixels": job.held.pixels.to(job.device), "labels": job.held.labels.to(job.device)}
    for method in methods:
        method.meet(Networks(student, job.teacher, lambda batch: batch["pixels"], held))
    task = ImageTask(student, methods, teacher, label_weight=job.label_weight, change=job.change).to(job.device)
    if teacher is not None:
        _connect(task, methods, teacher, pictures, job.device)
    return student, fit_pictures(task, pictures, job.budget, seed=job.seed, device=job.device, callbacks=callbacks)


def run_job(job: Job) -> Measured:
    """Train an arm, or take the teacher as it is, and count what it gets right.

    A system that measures more passes a function of its own to :func:`run_all`, made of :func:`trained` and
    :func:`~limbeck.systems.vision.measures.right`.
    """
    student, spent = trained(job)
    return Measured({"accuracy": right(student, job.judges, job.device)}, spent, parameters_of(student))


def trained(job: Job, *callbacks: Callback) -> tuple[nn.Module, dict[str, float]]:
    """The network of a job and what it took: nothing if it is the teacher."""
    if job.role == "teacher":
        assert job.teacher is not None
        return job.teacher, {}
    return train(job, *callbacks)


class Keeper(Callback, Generic[Kept]):
    """Keeps a method of a training, to be asked afterwards what it has come to.

    Args:
        kind: Its class.
    """

    def __init__(self, kind: type[Kept]) -> None:
        self.kind = kind
        self.method: Kept | None = None

    def on_start(self, progress: Progress) -> None:
        """Before the first step."""
        self.method = next((one for one in methods_of(progress.task) if isinstance(one, self.kind)), None)


def run_all(
    lab: Lab,
    findings: Findings,
    jobs: Sequence[Job],
    workers: int | None,
    *,
    run: Callable[[Job], Measured] = run_job,
) -> dict[Job, Measured]:
    """:func:`limbeck.systems.measured.run_all`; a teacher that several jobs share is asked once."""
    return measured.run_all(
        lab, findings, jobs, run, arm=lambda job: Arm(job.arm, job.title, job.role), workers=workers, ready=asked_once
    )


def asked_once(jobs: Sequence[Job]) -> list[Job]:
    """The same jobs; where some have a teacher and training pictures in common, it is asked now, for all of them."""
    alike: dict[tuple[int, int, str], dict[Job, tuple[str, ...]]] = {}
    for job in jobs:
        if job.teacher is not None and job.methods and job.change is None and job.role != "teacher":
            with undisturbed_randomness():
                sites = hidden_of(job.make_methods())[1]
            alike.setdefault((id(job.teacher), id(job.data.train), job.device), {})[job] = sites
    told: dict[Job, Told] = {}
    for wanted in alike.values():
        first, *others = wanted
        if others and first.teacher is not None:
            every = dict.fromkeys(site for sites in wanted.values() for site in sites)
            said = Told.by(first.teacher, first.data.train, tuple(every), first.device)
            told |= {job: said.only(sites) for job, sites in wanted.items()}
    return [replace(job, told=told.get(job, job.told)) for job in jobs]


def _connect(task: ImageTask, methods: Sequence[Method], teacher: Teacher, pictures: Pictures, device: str) -> None:
    """Let methods make what depends on sizes, and then look at the training pictures once."""

    def shown(size: int) -> Iterator[Batch]:
        for batch in pictures.batches(size, shuffle=False):
            yield {name: value.to(device) for name, value in batch.items()}

    task.eval()
    with torch.no_grad():
        few = next(shown(8))
        ours, theirs = task.speak(few), teacher(few)
        for method in methods:
            method.connect(ours, theirs)
        for method in methods:
            method.prepare(teacher, shown(250))
    task.to(device).train()
