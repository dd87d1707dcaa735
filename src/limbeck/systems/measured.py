"""What the training of one arm found, and all trainings of a system, kept so that a run can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from limbeck.errors import LimbeckError
from limbeck.evaluation.base import Metric, Statistics
from limbeck.files import safe_name, write_atomically
from limbeck.systems.findings import Arm, Findings
from limbeck.systems.jobs import run_jobs
from limbeck.systems.lab import Lab

Column = tuple[Metric, Statistics]
"""A metric, and its statistics of every item."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What a training found.

    Args:
        columns: By their names in tables.
        spent: What it took; ``seconds`` are shown, all else must be equal for arms to be comparable.
        parameters: Of the network at inference; None where there is none of its own.
        noted: What a system tells besides, as plain JSON.
    """

    columns: Mapping[str, Column]
    spent: Mapping[str, float] = field(default_factory=dict)
    parameters: int | None = None
    noted: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        from safetensors.numpy import save

        written = {
            "metrics": {name: metric.to_json() for name, (metric, _) in self.columns.items()},
            "spent": dict(self.spent),
            "parameters": self.parameters,
            "noted": dict(self.noted),
        }
        rows = {name: statistics.copy(order="C") for name, (_, statistics) in self.columns.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(rows, metadata={"measured": json.dumps(written)}))

    @classmethod
    def load(cls, path: Path) -> Measured:
        """Read what :meth:`save` wrote.

        Raises:
            LimbeckError: It is something else.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as opened:
                written = json.loads(opened.metadata()["measured"])
                columns = {
                    name: (Metric.from_json(settings), opened.get_tensor(name))
                    for name, settings in written["metrics"].items()
                }
            return cls(columns, written["spent"], written["parameters"], written["noted"])
        except (KeyError, TypeError, ValueError, OSError, SafetensorError) as error:
            raise LimbeckError(f"{path}: no readable results ({error}); delete it, and it is trained again") from None


class Seeded(Protocol):
    """A job; of its own kind in each family of systems."""

    @property
    def seed(self) -> int:
        """Of the training."""


Job = TypeVar("Job")
SeededJob = TypeVar("SeededJob", bound=Seeded)


def measure_all(
    lab: Lab,
    jobs: Sequence[Job],
    run: Callable[[Job], Measured],
    *,
    label: Callable[[Job], str],
    workers: int | None,
    ready: Callable[[Sequence[Job]], Sequence[Job]] = list,
) -> dict[Job, Measured]:
    """Do all jobs and keep what each found in the run's folder; what an earlier run did there is fetched.

    Args:
        lab: Has the folder, and says how far it is.
        jobs: What to do; they and what they find go from process to process.
        run: Does one; it must be importable.
        label: Tells a job from the others, in messages and in the folder.
        workers: Processes; None takes what the machine has.
        ready: Completes those that are really to be done, in their order.

    Raises:
        LimbeckError: Two jobs have one label, or what was kept cannot be read.
    """
    places = {job: lab.out / "jobs" / _file_name(label(job)) for job in jobs}
    if len(set(places.values())) < len(jobs):
        raise LimbeckError(f"jobs with one label: {', '.join(sorted(map(label, jobs)))}")
    found = {job: Measured.load(place) for job, place in places.items() if lab.resume and place.is_file()}
    if found:
        lab.say(f"{len(found)} of {len(jobs)} trainings are done")
    left = [job for job in jobs if job not in found]
    given = dict(zip(ready(left), left, strict=True))
    # Arms stand from the cheapest to the method. The longest begin first, so that none is left alone at the end.
    ordered = list(reversed(given))
    for done, (one, result) in enumerate(run_jobs(run, ordered, workers=workers, device=lab.device), 1):
        job = given[one]
        result.save(places[job])
        found[job] = result
        lab.say(f"{label(job)}: {result.spent.get('seconds', 0.0):.0f} s ({done} of {len(left)})")
    return found


def run_all(
    lab: Lab,
    findings: Findings,
    jobs: Sequence[SeededJob],
    run: Callable[[SeededJob], Measured],
    *,
    arm: Callable[[SeededJob], Arm],
    workers: int | None,
    ready: Callable[[Sequence[SeededJob]], Sequence[SeededJob]] = list,
) -> dict[SeededJob, Measured]:
    """As :func:`measure_all`, for jobs that are one arm with one seed each: findings get them in the order of the jobs.

    Args:
        lab: Has the folder, and says how far it is.
        findings: Get arms, statistics and costs.
        jobs: What to do.
        run: Does one.
        arm: Of a job, but for the number of parameters.
        workers: Processes; None takes what the machine has.
        ready: Completes those that are really to be done, in their order.
    """
    found = measure_all(
        lab, jobs, run, label=lambda job: f"{arm(job).name}, seed {job.seed}", workers=workers, ready=ready
    )
    for job in jobs:
        enter(findings, arm(job), job.seed, found[job])
    return found


def enter(findings: Findings, arm: Arm, seed: int, result: Measured) -> None:
    """Put what one training of an arm found into the findings."""
    findings.declare(
        arm.name, role=arm.role, title=arm.title, description=arm.description, parameters=result.parameters
    )
    if result.spent:
        findings.spend(arm.name, seed, **result.spent)
    for column, (metric, statistics) in result.columns.items():
        findings.add(arm.name, metric, seed, statistics, column=column)


def _file_name(label: str) -> str:
    """Readable, and of its own for every label."""
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{safe_name(label)}-{digest}.safetensors"
