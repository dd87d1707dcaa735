"""Teachers of language models, trained once by the package's own loop and kept."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.distill.examples import Example
from limbeck.distill.task import DistillTask
from limbeck.errors import LimbeckError
from limbeck.systems.jobs import one_thread, run_jobs
from limbeck.systems.lab import Lab
from limbeck.systems.language.arms import Budget
from limbeck.systems.language.examples import Splits
from limbeck.systems.language.models import LONGEST, Shape, tiny_model
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan


@dataclass(frozen=True, eq=False)
class Teacher:
    """A teacher by all that made it.

    Args:
        name: What it is called.
        shape: Its size.
        splits: What it was trained on.
        budget: For how long.
        cache: Where it is kept.
        device: A torch device.
    """

    name: str
    shape: Shape
    splits: Splits
    budget: Budget
    cache: Path
    device: str = "cpu"

    def get(self, lab: Lab | None = None) -> Any:
        """The model, trained now or before.

        Args:
            lab: Says that it is trained; without one all is quiet.
        """
        lab = lab or self._quiet
        return lab.teacher(self.name, self._recipe, lambda: tiny_model(self.shape, self.splits.vocabulary), self._train)

    @property
    def kept(self) -> bool:
        """Whether it is trained already."""
        return self._quiet.keeps(self.name, self._recipe)

    @property
    def _quiet(self) -> Lab:
        return Lab(cache=self.cache, device=self.device, quiet=True)

    @functools.cached_property
    def _recipe(self) -> dict[str, Any]:
        return {
            "shape": dataclasses.asdict(self.shape),
            "batch": self.budget.batch_size,
            "plan": plan_of(self.budget).model_dump(mode="json"),
            "train": _digest(self.splits.train),
            "words": len(self.splits.vocabulary),
            "longest": LONGEST,
        }

    def _train(self, model: Any) -> None:
        task = DistillTask("causal-lm", model, None, None, cross_entropy=1.0)
        loader = self.splits.loader(self.splits.train, self.budget.batch_size)
        with one_thread():
            fit(task, loader.loader(), plan_of(self.budget), accelerator=accelerator_on(self.device), progress=False)


def train_all(lab: Lab, teachers: Sequence[Teacher], workers: int | None) -> list[Any]:
    """Have all of them trained and kept; those that are missing learn side by side where there are several.

    Args:
        lab: Says which are trained, and which were.
        teachers: Any.
        workers: Processes; None takes what the machine has.

    Returns:
        Their models.
    """
    missing = [teacher for teacher in teachers if not teacher.kept]
    if len(missing) > 1:
        lab.say(f"teachers {', '.join(teacher.name for teacher in missing)}: training")
        for done, (teacher, seconds) in enumerate(run_jobs(_train, missing, workers=workers, device=lab.device), 1):
            lab.say(f"teacher {teacher.name}: trained in {seconds:.1f} s ({done} of {len(missing)})")
    # Each is read here, so that a damaged one is mended now and not in every worker.
    return [teacher.get(lab) for teacher in teachers]


def _train(teacher: Teacher) -> float:
    started = time.monotonic()
    teacher.get()
    return time.monotonic() - started


def own_start(lab: Lab, name: str, shape: Shape, splits: Splits, steps: int) -> Teacher | None:
    """What all students begin as: one of their shape that learns from the texts alone.

    Args:
        lab: Will keep it.
        name: What it is called.
        shape: Of the students.
        splits: Its texts.
        steps: For how long; 0 for random weights, of which there is no such model.

    Raises:
        LimbeckError: Fewer than no steps.
    """
    if steps < 0:
        raise LimbeckError(f"--pretrain: got {steps}, expected 0 or more")
    if not steps:
        return None
    return Teacher(f"{name}-student-{shape.width}", shape, splits, Budget(steps, lr=1.5e-2), lab.cache, lab.device)


def long_budget(lab: Lab) -> Budget:
    """What a teacher of the whole language gets, the same in every system, so that they share it."""
    return Budget(lab.pick(smoke=6, default=2000, full=8000), lr=3e-3)


def plan_of(budget: Budget, seed: int = 0) -> Plan:
    """How long and how fast: warm-up, then a cosine."""
    return Plan(
        lr=budget.lr,
        max_steps=budget.steps,
        warmup=budget.steps // 10,
        schedule="cosine",
        clip=1.0,
        weight_decay=0.01,
        seed=seed,
        log_every=max(1, budget.steps // 10),
    )


def _digest(examples: list[Example]) -> str:
    said = json.dumps([[example.input_ids, example.targets] for example in examples])
    return hashlib.sha256(said.encode()).hexdigest()
