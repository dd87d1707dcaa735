"""One arm with one seed, as a job that any process can do, and all arms of a system side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.distill.examples import Example
from limbeck.distill.sampling import StudentSampler
from limbeck.distill.task import DistillTask, live_teacher
from limbeck.methods.find import make_method
from limbeck.models.size import parameters_of
from limbeck.systems import measured as shared
from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab, Split
from limbeck.systems.language.arms import Arm, Budget
from limbeck.systems.language.examples import Splits
from limbeck.systems.language.measures import liked_by, likelihood, quality, samples_of, seen_before
from limbeck.systems.language.models import Shape, tiny_model
from limbeck.systems.language.teachers import Teacher, plan_of, train_all
from limbeck.systems.measured import Column, Measured
from limbeck.teachers.remembering import RememberingTeacher
from limbeck.training.callbacks import Callback
from limbeck.training.clock import MethodClock
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.seed import set_seed
from limbeck.world.language import Language


@dataclass(frozen=True, eq=False)
class Job:
    """One arm with one seed.

    Args:
        arm: How it is taught.
        seed: Of its first weights, of the order of batches, and of its samples.
        shape: The student's size.
        splits: What it learns from and is judged by.
        budget: For how long it is trained.
        language: Judges its samples.
        teacher: Teaches it, or judges it beside; None where no model does.
        samples: How many it writes to be judged by.
        judged_by: The held-out split: ``"test"``, or ``"val"`` while something is still being chosen.
        start_from: A model that it begins as; None begins with random weights.
        device: A torch device; the teacher's where there is one.
    """

    arm: Arm
    seed: int
    shape: Shape
    splits: Splits
    budget: Budget
    language: Language
    teacher: Teacher | None
    samples: int
    judged_by: Split = "test"
    start_from: Teacher | None = None
    device: str = "cpu"

    def ask(self) -> Any:
        """The teacher's model."""
        return None if self.teacher is None else self.teacher.get()

    @property
    def examples(self) -> list[Example]:
        """The held-out texts."""
        return self.splits.test if self.judged_by == "test" else self.splits.val

    @property
    def place(self) -> str:
        """The device that it is trained on."""
        return self.device if self.teacher is None else self.teacher.device


def run_job(job: Job) -> Measured:
    """Train an arm, or take the teacher as it is, and measure it."""
    teacher = job.ask()
    if job.arm.role == "teacher":
        return Measured(measured(job, teacher, teacher), {}, parameters_of(teacher))
    student, spent = train(job, teacher)
    return Measured(measured(job, student, teacher), spent, parameters_of(student))


def train(
    job: Job,
    teacher: Any,
    *callbacks: Callback,
    loader: Any = None,
    sampler: StudentSampler | None = None,
    student: Any = None,
) -> tuple[Any, dict[str, float]]:
    """Train the student of a job.

    Args:
        job: Which.
        teacher: The teacher's model; it is not asked where the arm has no method.
        callbacks: Told what happens.
        loader: Batches; by default the training split's.
        sampler: Lets the student write some of them.
        student: Learns; by default a new one, or a copy of what the job starts from.

    Returns:
        The student with its last weights, and what the training took.
    """
    set_seed(job.seed)
    if student is None:
        student = new_student(job)
    method = None if job.arm.method is None else make_method(job.arm.method)
    asked = None if method is None else live_teacher(teacher, "causal-lm", method)
    if asked is not None and loader is None and sampler is None:  # several passes over the same texts
        asked = RememberingTeacher(asked)
    task = DistillTask("causal-lm", student, asked, method, cross_entropy=job.arm.cross_entropy, sampler=sampler)
    if loader is None:
        loader = job.splits.loader(job.splits.train, job.budget.batch_size).loader(seed=job.seed)
    history = fit(
        task,
        loader,
        plan_of(job.budget, job.seed),
        callbacks=[MethodClock(), *callbacks],
        accelerator=accelerator_on(job.place),
        progress=False,
    )
    return student, {
        "steps": history.steps,
        "sequences": history.steps * job.budget.batch_size,
        "seconds": history.seconds,
    }


def new_student(job: Job) -> Any:
    """The student before its training."""
    student = tiny_model(job.shape, job.splits.vocabulary).to(job.place)
    if job.start_from is not None:
        student.load_state_dict(job.start_from.get().state_dict())
    return student


def measured(job: Job, model: Any, teacher: Any, *, top_k: int = 0) -> dict[str, Column]:
    """Likelihood of held-out texts, and the quality of samples."""
    samples = samples_of(model, job.splits, job.samples, seed=job.seed, top_k=top_k)
    return {
        **likelihood(model, teacher, job.splits, job.examples),
        **quality(job.language, samples),
        **liked_by(teacher, job.splits, samples),
    }


def run_all(
    lab: Lab,
    findings: Findings,
    jobs: Sequence[Job],
    workers: int | None,
    *,
    run: Callable[[Job], Measured] = run_job,
) -> dict[Job, Measured]:
    """:func:`limbeck.systems.measured.run_all`; teachers are trained before."""

    def ready(left: Sequence[Job]) -> Sequence[Job]:
        # Trained once, before several processes would each train them.
        models = [model for job in left for model in (job.teacher, job.start_from) if model is not None]
        train_all(lab, list(dict.fromkeys(models)), workers)
        return left

    found = shared.run_all(lab, findings, jobs, run, arm=lambda job: job.arm.declared, workers=workers, ready=ready)
    share = max(seen_before(splits.train, held_out) for splits, held_out in _texts(jobs))
    if share:
        findings.notes.append(
            f"the language is small: {100 * share:.1f} % of the held-out texts stand in the training texts, too"
        )
    return found


def _texts(jobs: Sequence[Job]) -> list[tuple[Splits, list[Example]]]:
    """What different jobs learn from, with what they are judged by."""
    return list({id(job.splits): (job.splits, job.examples) for job in jobs}.values())
