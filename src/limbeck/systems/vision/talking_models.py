"""Talking models: a small network for a task of its own sends its state through a large network's upper part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from limbeck.evaluation.metrics import Accuracy
from limbeck.methods.talking import TalkingModels
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.options import at_least
from limbeck.systems.registry import system
from limbeck.systems.vision.data import ImageSet, Sizes, image_set
from limbeck.systems.vision.models import SHAPES, Classifier, Shape
from limbeck.systems.vision.teachers import image_teacher
from limbeck.systems.vision.training import Budget, Job, run_all

TEACHER, STUDENT = SHAPES["resnet-teacher"], Shape("resnet", (8, 12, 16))
KINDS = (0, 1, 2, 3, 4, 9)
"""The student's task: dogs, cats, horses, goats, rabbits and kettles."""
LOW, HIGH = "stages.1", "features"
ENTERED = 2
"""The teacher's stage that a message goes into."""


@dataclass(frozen=True)
class Talk:
    """How an arm talks.

    Args:
        rounds: How often; 0 is one way.
        weights: Of interaction, messages and states; not tuned, nor are steps and learning rate.
        untrained: Whether the teacher knows nothing.
    """

    rounds: int = 1
    weights: tuple[float, float, float] = (0.3, 0.3, 0.3)
    untrained: bool = False


ARMS: dict[str, tuple[Role, str, Talk | None]] = {
    "alone": ("baseline", "student alone", None),
    "one-way": ("baseline", "one way, adapters of the same size", Talk(rounds=0)),
    "round-1": ("method", "one round", Talk()),
    "round-2": ("method", "two rounds", Talk(rounds=2)),
    "round-3": ("ablation", "three rounds", Talk(rounds=3)),
    "no-messages": ("ablation", "without agreement of messages", Talk(weights=(0.3, 0.0, 0.3))),
    "no-states": ("ablation", "without return of states", Talk(weights=(0.3, 0.3, 0.0))),
    "random": ("ablation", "a teacher that knows nothing", Talk(untrained=True)),
}


@system(
    slug="talking-models",
    title="Talking Models: Distill Pre-trained Knowledge to Downstream Models via Interactive Communication",
    year=2023,
    arxiv="2310.03188",
    domain="vision",
    needs=("hidden",),
    claim="A student that may ask its teacher with its own states learns more than one that only hears it.",
)
def talking_models(
    lab: Lab, *, labels: int = 150, steps: int | None = None, judged_by: Split = "test", workers: int | None = None
) -> Findings:
    """A wide ResNet that knows 12 kinds in ordinary light helps a narrow one with six kinds, light and dark exchanged.

    The student's state in the middle is encoded into a message; the teacher decodes it, runs its last stage on it, and
    encodes an answer, which the student's features shall follow: ``L = CE + w1 |H_s - D_s(E_t(g_t(D_t(E_s(h_s)))))|^2
    + w2 (messages of both agree) + w3 (states come back; the student's message decodes to the teacher's own state)``.
    Arms: alone; one way, with the same encoders and decoders, of the teacher's own features; one, two, three rounds;
    without either kind of agreement; and a teacher that knows nothing. Logit distillation has no arm: heads differ.

    The paper's equations are not public in code; these are a reconstruction. Its ratings of films are left out. From 40
    pictures of each kind students hardly learnt: 28 % of validation pictures alone, 48 % from 150; chance is 17 %.
    """
    sizes = lab.pick(
        smoke=Sizes(2600, 48, 48, 64), default=Sizes(3000, 1600, 3000), full=Sizes(4000, 4000, 6000, 20_000)
    )
    at_least(1, steps=steps)
    budget = Budget(lab.pick(smoke=1, default=250, full=2000) if steps is None else steps)
    long = Budget(lab.pick(smoke=1, default=800, full=8000), lr=2e-3)
    # Before anything is trained: there may be too few pictures to label.
    parts = {
        seed: downstream(image_set(sizes=replace(sizes, pool=1), seed=seed, judged_by=judged_by).without_pool(), labels)
        for seed in lab.seeds
    }
    teacher = image_teacher(lab, TEACHER, image_set(sizes=sizes), long)
    torch.manual_seed(0)
    ignorant = TEACHER.build(12).eval().requires_grad_(False)
    findings, jobs = Findings(), []
    for seed, data in parts.items():
        for arm, (role, title, talk) in ARMS.items():
            taught_by = ignorant if talk and talk.untrained else teacher
            methods = [partial(made, taught_by, talk)] if talk else []
            jobs.append(Job(arm, role, title, seed, STUDENT, data, budget, taught_by, methods, device=lab.device))
    run_all(lab, findings, jobs, workers)
    accuracy = Accuracy().name
    findings.claim_all(
        ("a round of talk is better than one way", "round-1", "one-way", accuracy),
        ("a round of talk is better than the student alone", "round-1", "alone", accuracy),
        ("one way is better than the student alone", "one-way", "alone", accuracy),
        ("a second round is at least as good as one", "round-2", "round-1", accuracy, -0.5),
        ("agreement of messages helps", "round-1", "no-messages", accuracy),
        ("return of states helps", "round-1", "no-states", accuracy),
        ("a teacher that knows is better than one that does not", "round-1", "random", accuracy),
    )
    return findings


def downstream(data: ImageSet, labels: int) -> ImageSet:
    """The student's task: some of the kinds, few of each to learn from, light and dark exchanged.

    Raises:
        LimbeckError: A kind has fewer training pictures.
    """
    chosen = torch.tensor(KINDS)

    def of(part: str) -> ImageSet:
        pictures = getattr(data, part)
        pictures = pictures.at(torch.isin(pictures.labels, chosen))
        pictures = replace(pictures, labels=torch.searchsorted(chosen, pictures.labels)).shifted("inverted")
        return replace(data, **{part: pictures})

    for part in ("train", "val", "test"):
        data = of(part)
    few = data.train.per_class(labels, option="--labels")
    return replace(data, classes=tuple(data.classes[kind] for kind in KINDS), train=few)


def made(teacher: nn.Module, talk: Talk) -> TalkingModels:
    """The method of an arm."""
    return TalkingModels(
        upper_part(teacher), student=(LOW, HIGH), teacher=(LOW, HIGH), rounds=talk.rounds, weights=talk.weights
    )


def upper_part(teacher: nn.Module) -> Callable[[Tensor], Tensor]:
    """From the lower state to the features."""
    assert isinstance(teacher, Classifier)

    def run(hidden: Tensor) -> Tensor:
        for stage in teacher.stages[ENTERED:]:
            hidden = stage(hidden)
        features: Tensor = teacher.features(hidden)
        return features

    return run
