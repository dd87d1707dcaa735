"""Pre-training on visible patches: how, for how many multiplications, and the jobs that begin with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from limbeck.methods.hidden import HiddenStateDistillation
from limbeck.signals import Signals
from limbeck.systems.vision.data import Pictures
from limbeck.systems.vision.masked import (
    MaskedAutoencoder,
    MaskedTask,
    draw_visible,
    encode,
    multiplications,
    visible_of,
)
from limbeck.systems.vision.models import Classifier, Shape
from limbeck.systems.vision.pretrained import Pretrained
from limbeck.systems.vision.training import Budget, Job, fit_pictures, train
from limbeck.training.seed import set_seed

TEACHER, STUDENT = Shape("vit", (96,) * 6, patch=8), Shape("vit", (48,) * 4, patch=8)
WEIGHT = 10.0
"""Of the feature term: differences of features of length 1 are small in 96 dimensions. A guess, not tuned; nor are
the learning rates."""


@dataclass(frozen=True)
class Recipe:
    """How a student is trained before it sees labels.

    Args:
        mask: The share of patches that are hidden.
        at: After how many stages student and teacher are compared; None is a masked autoencoder alone.
        tuned: Whether the teacher is first trained on the labels, too.
        like: Goes on until it has taken as many multiplications as this one in the steps that all others take.
    """

    mask: float = 0.75
    at: tuple[int, int] | None = (3, 4)
    tuned: bool = False
    like: Recipe | None = None

    def keep(self, patches: int) -> int:
        """How many patches are seen."""
        return visible_of(patches, self.mask)

    def cost(self, patches: int) -> float:
        """Multiplications for one picture in the blocks of both encoders, in millions; a step back counts two more."""
        tokens = 1 + self.keep(patches)
        depth = len(STUDENT.widths) if self.mask or self.at is None else self.at[0]
        teacher = multiplications(tokens, TEACHER.widths[0], self.at[1]) if self.at else 0.0
        return 3 * multiplications(tokens, STUDENT.widths[0], depth) + teacher

    def steps(self, given: int, patches: int) -> int:
        """How many steps it takes where the others take those given."""
        return given if self.like is None else round(given * self.like.cost(patches) / self.cost(patches))


@dataclass(frozen=True, eq=False)
class PretrainingJob(Job):
    """A job that begins with pictures without labels.

    Args:
        labels: How many pictures of each class each of the draws has, which are fine-tuned on one by one.
        recipe: How; None leaves it out.
        unlabelled: What from.
        before: For how long.
    """

    labels: int = 1
    recipe: Recipe | None = None
    unlabelled: Pictures | None = None
    before: Budget = field(default_factory=Budget)

    def draw(self, number: int) -> PretrainingJob:
        """The job with the labelled pictures of one draw; no two draws share any."""
        few = self.data.train.per_class(self.labels, start=number * self.labels)
        return replace(self, data=replace(self.data, train=few))


def pretrained(job: PretrainingJob, recipe: Recipe) -> Pretrained:
    """The student's shape with what it learnt without labels."""
    assert job.unlabelled is not None
    teacher = job.teacher
    assert isinstance(teacher, Classifier)
    if recipe.tuned:
        warm = Pretrained.of(TEACHER, teacher.state_dict(), leave=("head.",))
        teacher = train(replace(job.draw(0), student=warm))[0].requires_grad_(False)
    set_seed(job.seed)
    student = MaskedAutoencoder(job.student, job.unlabelled.size)
    method = None
    if recipe.at is not None:
        method = HiddenStateDistillation(pairs={"student": "teacher"}, distance="normalized-l1", weight=WEIGHT)
        few = job.unlabelled.at(slice(0, 2)).pixels
        seen = draw_visible(2, student.patches, 1)
        ours, theirs = (
            Signals(hidden={side: encode(network.cpu(), few, seen, [depth])[0]})
            for side, network, depth in zip(("student", "teacher"), (student.encoder, teacher), recipe.at, strict=True)
        )
        method.connect(ours, theirs)
    task = MaskedTask(
        student, recipe.keep(student.patches), teacher=teacher.to(job.device) if method else None, method=method,
        at=recipe.at or (student.last, 0),
    )  # fmt: skip
    budget = replace(job.before, steps=recipe.steps(job.before.steps, student.patches))
    fit_pictures(task.to(job.device), job.unlabelled, budget, seed=job.seed, device=job.device)
    return Pretrained.of(job.student, student.encoder.state_dict(), leave=("head.",))
