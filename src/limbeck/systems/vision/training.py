"""One arm with one seed, as a job that any process can do; teachers that are kept; all arms of a system side by side.

Measured on one core with the world's defaults (12 kinds, 2000 pictures): 500 steps take a student 7 to 11 s and to 74 %
(resnet), 61 % (vit) and 65 % (mixer) of validation pictures; the resnet teacher comes to 90 % from 8000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.evaluation.base import Metric, Statistics
from limbeck.evaluation.metrics import Accuracy
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.term import Term
from limbeck.methods.base import Method
from limbeck.methods.find import make_method
from limbeck.signals import Signals, tap
from limbeck.systems.findings import Findings, Role
from limbeck.systems.jobs import run_jobs
from limbeck.systems.lab import Lab
from limbeck.systems.vision.data import ImageSet, Pictures
from limbeck.systems.vision.models import Classifier, Shape, parameters_of
from limbeck.teachers.base import Teacher
from limbeck.teachers.live import LiveTeacher
from limbeck.training.callbacks import Callback, Progress
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.seed import set_seed
from limbeck.training.task import Task

Column = tuple[Metric, Statistics]
Change = Callable[[Batch], Batch]


@dataclass(frozen=True)
class Budget:
    """How long and how fast a network is trained.

    Args:
        steps: Optimiser steps.
        lr: At its peak; about 5e-3 for a small resnet, 2e-3 for tokens and for teachers.
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


class ImageTask(Task):
    """A student of pictures learns from ``batch["labels"]``, and by methods from a teacher's signals.

    Args:
        student: Takes ``batch["pixels"]``.
        methods: What else it learns by.
        teacher: Teaches; not asked without methods.
        label_weight: Weight of the cross-entropy with the labels; at 0 they are not looked at.
        change: Changes each batch in training (mixes, turns, ...); student and teacher both see what it gives.
    """

    def __init__(
        self,
        student: nn.Module,
        methods: Sequence[Method] = (),
        teacher: Teacher | None = None,
        *,
        label_weight: float = 1.0,
        change: Change | None = None,
    ) -> None:
        own = {"labels": label_weight} if label_weight else {}
        super().__init__(own | {name: weight for method in methods for name, weight in method.weights.items()})
        self.student, self.methods, self.teacher, self.change = student, nn.ModuleList(methods), teacher, change
        self.sites = hidden_of(methods)[0]

    def speak(self, batch: Batch) -> Signals:
        """What the student says."""
        with tap(self.student, self.sites) as hidden:
            logits = self.student(batch["pixels"])
        return Signals(logits=logits, hidden=hidden)

    def forward(self, batch: Batch) -> dict[str, Term]:
        """``labels`` if they have a weight, and the methods' terms."""
        if self.training and self.change is not None:
            batch = self.change(batch)
        ours = self.speak(batch)
        assert isinstance(ours.logits, Tensor)
        terms = {"labels": cross_entropy(ours.logits, batch["labels"])} if "labels" in self.weights else {}
        theirs = self.teacher(batch) if self.teacher is not None and self.methods else Signals()
        for method in self.methods:
            terms |= method(ours, theirs, batch)
        return terms


class Told:
    """What a teacher says of pictures that do not change, asked once and looked up by ``batch["row"]``.

    Args:
        teacher: Asked.
        pictures: Their rows are those of the batches to come.
    """

    def __init__(self, teacher: Teacher, pictures: Pictures, device: str = "cpu") -> None:
        said = [teacher({"pixels": part.to(device)}) for part in pictures.pixels.split(250)]
        self.logits = torch.cat([one.logits for one in said if isinstance(one.logits, Tensor)])
        self.hidden = {name: torch.cat([one.hidden[name] for one in said]) for name in said[0].hidden}

    def __call__(self, batch: Batch) -> Signals:
        """Look it up."""
        rows = batch["row"]
        return Signals(logits=self.logits[rows], hidden={name: value[rows] for name, value in self.hidden.items()})


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
        tests: By column, pictures to be judged by; the test split by default.
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
    tests: Mapping[str, Pictures] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Measured:
    """What a job found.

    Args:
        columns: Metric and statistics, by column.
        spent: What it took.
        parameters: Of the network.
    """

    columns: Mapping[str, Column]
    spent: Mapping[str, float]
    parameters: int


def train(job: Job, *callbacks: Callback) -> tuple[Classifier, dict[str, float]]:
    """Train the student of a job.

    Returns:
        The student in evaluation mode, and what the training took.
    """
    set_seed(job.seed)
    pictures = job.data.train
    student = job.student.build(len(job.data.classes), pictures.images.shape[-1]).to(job.device)
    methods = [make_method(one) if isinstance(one, Mapping) else one() for one in job.methods]
    teacher: Teacher | None = None
    if job.teacher is not None and methods:
        live = LiveTeacher(job.teacher.to(job.device), _pixels, hidden_of(methods)[1])
        teacher = live if job.change else Told(live, pictures, job.device)
    task = ImageTask(student, methods, teacher, label_weight=job.label_weight, change=job.change).to(job.device)
    if teacher is not None:
        _connect(task, methods, teacher, pictures, job.device)
    loader = pictures.batches(job.budget.batch_size)
    history = fit(
        task,
        loader,
        job.budget.plan(job.seed),
        callbacks=[_Clock(), *callbacks],
        accelerator=accelerator_on(job.device),
        progress=False,
    )
    return student, {
        "steps": history.steps,
        "pictures": history.steps * job.budget.batch_size,
        "seconds": history.seconds,
    }


def run_job(job: Job) -> Measured:
    """Train an arm, or take the teacher as it is, and count what it gets right."""
    student, spent = trained(job)
    tests = job.tests or {"accuracy": job.data.test}
    columns = {name: right(student, pictures, job.device) for name, pictures in tests.items()}
    return Measured(columns, spent, parameters_of(student))


def trained(job: Job) -> tuple[nn.Module, dict[str, float]]:
    """The network of a job and what it took: nothing if it is the teacher."""
    if job.role == "teacher":
        assert job.teacher is not None
        return job.teacher, {}
    return train(job)


def run_all(
    lab: Lab,
    findings: Findings,
    jobs: Sequence[Job],
    workers: int | None,
    *,
    run: Callable[[Job], Measured] = run_job,
) -> dict[Job, Measured]:
    """Do all jobs and put what they found into the findings, in the order of the jobs.

    Args:
        lab: Says how far it is.
        findings: Get arms, statistics and costs.
        jobs: What to do; they and what they find go from process to process.
        workers: Processes; None takes what the machine has.
        run: Does one.
    """
    found: dict[Job, Measured] = {}
    for done, (job, result) in enumerate(run_jobs(run, jobs, workers=workers, device=lab.device), 1):
        found[job] = result
        took = result.spent.get("seconds", 0.0)
        lab.say(f"{job.arm}, seed {job.seed}: {took:.0f} s ({done} of {len(jobs)})")
    for job in jobs:
        result = found[job]
        findings.declare(job.arm, role=job.role, title=job.title, parameters=result.parameters)
        if result.spent:
            findings.spend(job.arm, job.seed, **result.spent)
        for column, (metric, statistics) in result.columns.items():
            findings.add(job.arm, metric, job.seed, statistics, column=column)
    return found


def image_teacher(
    lab: Lab, shape: Shape, data: ImageSet, budget: Budget, *, number: int = 0, pictures: Pictures | None = None
) -> nn.Module:
    """A network trained on labels alone, kept by the lab.

    Args:
        lab: Keeps it.
        shape: Of the network.
        data: Gives the classes, and its pool.
        budget: For how long.
        number: One of several that are alike.
        pictures: What it learns from instead of the pool.
    """
    those = data.pool if pictures is None else pictures
    recipe = {
        "shape": [shape.family, list(shape.widths), shape.depth, shape.patch],
        "data": data.name,
        "pictures": fingerprint(those),
        "number": number,
        "batch": budget.batch_size,
        "plan": budget.plan().model_dump(mode="json"),
    }

    def learn(network: nn.Module) -> None:
        loader = those.batches(budget.batch_size)
        plan = budget.plan(number)
        fit(ImageTask(network), loader, plan, accelerator=accelerator_on(lab.device), progress=False)

    size = those.images.shape[-1]
    name = f"{data.name}-{shape.family}"
    return lab.teacher(name, recipe, lambda: shape.build(len(data.classes), size), learn)


def fingerprint(pictures: Pictures) -> str:
    """Tells pictures and labels apart from others."""
    import hashlib

    digest = hashlib.sha256(pictures.images.contiguous().numpy().tobytes())
    digest.update(pictures.labels.contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def logits_of(network: nn.Module, pictures: Pictures, device: str = "cpu") -> Tensor:
    """What a network says, ``(items, classes)``."""
    return torch.cat([network.eval()(part.to(device)).cpu() for part in pictures.pixels.split(250)])


def right(network: nn.Module, pictures: Pictures, device: str = "cpu") -> Column:
    """The accuracy, picture by picture."""
    said = logits_of(network, pictures, device).argmax(-1)
    return Accuracy(), Accuracy().statistics(said.tolist(), pictures.labels.tolist())


def hidden_of(methods: Sequence[Method]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The hidden states that any of the methods reads, of the student and of the teacher."""
    ours = [name for method in methods for name in method.needs.student_hidden]
    theirs = [name for method in methods for name in method.needs.teacher_hidden]
    return tuple(dict.fromkeys(ours)), tuple(dict.fromkeys(theirs))


def _pixels(batch: Batch) -> dict[str, Tensor]:
    """Positional names differ between networks; ours call it ``pixels``."""
    return {"pixels": batch["pixels"]}


def _connect(task: ImageTask, methods: Sequence[Method], teacher: Teacher, pictures: Pictures, device: str) -> None:
    """Let methods make what depends on sizes, and look at the training pictures once."""
    loader = [
        {name: value.to(device) for name, value in batch.items()} for batch in pictures.batches(250, shuffle=False)
    ]
    few = {name: value[:8] for name, value in loader[0].items()}
    task.eval()
    with torch.no_grad():
        ours, theirs = task.speak(few), teacher(few)
        for method in methods:
            method.connect(ours, theirs)
            method.prepare(teacher, loader)
    task.to(device).train()


class _Clock(Callback):
    """Tells methods how far the training is."""

    def on_step(self, progress: Progress) -> None:
        if isinstance(progress.task, ImageTask):
            for method in progress.task.methods:
                assert isinstance(method, Method)
                method.begin_step(progress.share)
