"""What a system found: arms x metrics x seeds, with a row of statistics for every item."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from limbeck.errors import LimbeckError, near_matches
from limbeck.evaluation.base import Metric, Statistics
from limbeck.evaluation.bootstrap import Comparison, Interval, interval, paired_bootstrap
from limbeck.systems.claims import Claim, Judged, judge

Role = Literal["teacher", "baseline", "method", "ablation"]
ClaimRow = tuple[str, str, str, str] | tuple[str, str, str, str, float] | tuple[str, str, str, str, float, float]
"""A claim as a row of a table: text, arm, baseline, metric and, where they are not 0 and 1, margin and scale."""

_BUDGET_TOLERANCE = 0.01


@dataclass(frozen=True)
class Arm:
    """One of the things that are compared.

    Args:
        name: What claims and options call it.
        title: What tables call it.
        role: The teacher, a baseline, the method, or an ablation of it.
        description: What is different about it.
        parameters: How many it has at inference.
    """

    name: str
    title: str
    role: Role
    description: str = ""
    parameters: int | None = None


@dataclass
class Findings:
    """Per-item statistics of every arm, metric and seed, the claims about them, and what each arm cost.

    Args:
        system: Slug of the system that found them.

    Example:
        >>> from limbeck.evaluation.metrics import Accuracy
        >>> findings = Findings("toy")
        >>> for name, role in (("alone", "baseline"), ("distilled", "method")):
        ...     _ = findings.declare(name, role=role)
        >>> accuracy = Accuracy()
        >>> findings.add("alone", accuracy, 1, accuracy.statistics(list("abcd"), list("axxx")))
        >>> findings.add("distilled", accuracy, 1, accuracy.statistics(list("abcd"), list("abcx")))
        >>> findings.score("distilled", "accuracy"), findings.compare("distilled", "alone", "accuracy").difference
        (75.0, 50.0)
    """

    system: str = ""
    arms: dict[str, Arm] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    spent: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)
    samples: int = 2000
    level: float = 0.95
    _statistics: dict[tuple[str, str, int], Statistics] = field(default_factory=dict, repr=False)
    _intervals: dict[tuple[Any, ...], Interval] = field(default_factory=dict, repr=False)
    _comparisons: dict[tuple[Any, ...], Comparison] = field(default_factory=dict, repr=False)

    def declare(
        self, name: str, *, role: Role, title: str = "", description: str = "", parameters: int | None = None
    ) -> Arm:
        """Announce an arm; again, with the same words, for each seed if that is convenient.

        Raises:
            LimbeckError: It was declared differently before, or the role is unknown.
        """
        if role not in get_args(Role):
            raise LimbeckError(f"arm {name!r}: unknown role {role!r}; possible are {', '.join(get_args(Role))}")
        arm = Arm(name, title or name, role, description, parameters)
        if self.arms.setdefault(name, arm) != arm:
            raise LimbeckError(f"arm {name!r} was declared as {self.arms[name]} and now as {arm}")
        return arm

    def add(self, arm: str, metric: Metric, seed: int, statistics: Statistics, *, column: str = "") -> None:
        """Keep one arm's statistics for one metric and seed.

        Args:
            arm: A declared arm.
            metric: Turns sums of the statistics into a score.
            seed: Of the training.
            statistics: One row an item, ``(items, k)``, the same items in the same order for every arm.
            column: The metric's name in tables and claims, where one metric is used on several test sets.

        Raises:
            LimbeckError: The arm is not declared, the column has another metric, the items do not match those of
                the other arms, a number is not finite, or these statistics were added before.
        """
        column = column or metric.name
        self._arm(arm)
        # In C order: safetensors writes memory as it lies.
        rows = np.array(statistics, dtype=np.float64, order="C")
        if rows.ndim != 2 or 0 in rows.shape:
            raise LimbeckError(f"{arm}, {column}: statistics must be (items, k) and not empty; got {rows.shape}")
        if not np.isfinite(rows).all():
            raise LimbeckError(f"{arm}, {column}, seed {seed}: statistics contain NaN or infinity")
        if self.metrics.setdefault(column, metric) != metric:
            raise LimbeckError(f"column {column!r} holds {self.metrics[column]}; {metric} needs a column of its own")
        for (other, name, _), known in self._statistics.items():
            if name == column and known.shape != rows.shape:
                raise LimbeckError(f"{column}: {arm} has statistics of {rows.shape} but {other} of {known.shape}")
        if (arm, column, seed) in self._statistics:
            raise LimbeckError(f"{arm}, {column}, seed {seed}: added twice")
        self._statistics[arm, column, seed] = rows
        self._intervals.clear()
        self._comparisons.clear()

    def spend(self, arm: str, seed: int, *, seconds: float | None = None, **budget: float) -> None:
        """Note what training an arm took.

        Args:
            arm: A declared arm.
            seed: Of the training.
            seconds: Wall time; it is shown, and not compared.
            budget: What must be equal for the arms to be comparable: ``steps``, ``tokens``,
                ``translator_parameters``, ... by name.
        """
        self._arm(arm)
        costs = self.spent.setdefault(arm, {}).setdefault(seed, {})
        costs.update({name: float(value) for name, value in budget.items()})
        if seconds is not None:
            costs["seconds"] = float(seconds)

    def claim(
        self, text: str, *, arm: str, baseline: str, metric: str, margin: float = 0.0, scale: float = 1.0
    ) -> None:
        """State what should come out; see :class:`~limbeck.systems.claims.Claim`.

        Raises:
            LimbeckError: An arm is not declared.
        """
        self._arm(arm)
        self._arm(baseline)
        self.claims.append(Claim(text, arm, baseline, metric, margin, scale))

    def claim_all(self, *rows: ClaimRow) -> None:
        """State a table of claims, in its order.

        Args:
            rows: Text, arm, baseline and metric of each claim and, where they are not 0 and 1, margin and scale.

        Raises:
            LimbeckError: An arm is not declared.

        Example:
            >>> findings = Findings("toy")
            >>> for name, role in (("alone", "baseline"), ("distilled", "method")):
            ...     _ = findings.declare(name, role=role)
            >>> findings.claim_all(
            ...     ("a teacher helps", "distilled", "alone", "accuracy"),
            ...     ("and costs little time", "distilled", "alone", "seconds", -0.1),
            ... )
            >>> [(claim.text, claim.margin) for claim in findings.claims]
            [('a teacher helps', 0.0), ('and costs little time', -0.1)]
        """
        for row in rows:
            claim = dataclasses.asdict(Claim(*row))
            self.claim(claim.pop("text"), **claim)

    def seeds(self, arm: str, column: str) -> tuple[int, ...]:
        """The seeds that an arm has statistics of, in order."""
        return tuple(sorted(seed for name, of, seed in self._statistics if (name, of) == (arm, column)))

    def statistics(self, arm: str, column: str) -> Statistics:
        """All the statistics of an arm, ``(seeds, items, k)``.

        Raises:
            LimbeckError: There are none.
        """
        seeds = self.seeds(arm, column)
        if not seeds:
            measured = ", ".join(sorted({of for name, of, _ in self._statistics if name == arm})) or "nothing"
            raise LimbeckError(f"arm {arm!r} has no {column!r}; it has {measured}")
        return np.stack([self._statistics[arm, column, seed] for seed in seeds])

    def score(self, arm: str, column: str) -> float:
        """The mean over seeds of an arm's score."""
        sums = self.statistics(arm, column).sum(axis=1)
        return float(self.metrics[column].aggregate(sums).mean())

    def interval(self, arm: str, column: str) -> Interval:
        """An arm's score with its bootstrap interval over items and seeds."""
        key = (arm, column, self.samples, self.level)
        if key not in self._intervals:
            statistics = self.statistics(arm, column)
            self._intervals[key] = interval(self.metrics[column], statistics, samples=self.samples, level=self.level)
        return self._intervals[key]

    def compare(self, arm: str, baseline: str, column: str, *, scale: float = 1.0) -> Comparison:
        """The paired comparison of two arms; the baseline's score counts times the scale.

        Raises:
            LimbeckError: They were not run with the same seeds.
        """
        key = (arm, baseline, column, scale, self.samples, self.level)
        if key in self._comparisons:
            return self._comparisons[key]
        first, second = self.statistics(arm, column), self.statistics(baseline, column)
        if self.seeds(arm, column) != self.seeds(baseline, column):
            raise LimbeckError(
                f"{column}: {arm} was run with seeds {self.seeds(arm, column)} but {baseline} with"
                f" {self.seeds(baseline, column)}; a paired comparison needs the same"
            )
        compared = paired_bootstrap(
            self.metrics[column], first, second, samples=self.samples, level=self.level, scale=scale
        )
        self._comparisons[key] = compared
        return compared

    def verdicts(self, claims: Iterable[Claim] | None = None) -> list[Judged]:
        """Judge the claims, the findings' own by default, in their order."""
        return [
            judge(
                claim,
                self.compare(claim.arm, claim.baseline, claim.metric, scale=claim.scale),
                higher_is_better=self.metrics[claim.metric].higher_is_better,
            )
            for claim in (self.claims if claims is None else claims)
        ]

    def budget(self, arm: str) -> dict[str, float]:
        """What an arm took, seconds included: means over its seeds."""
        runs = list(self.spent.get(arm, {}).values())
        names = dict.fromkeys(name for run in runs for name in run)
        return {name: float(np.mean([run[name] for run in runs if name in run])) for name in names}

    def unequal_budgets(self) -> dict[str, dict[str, float]]:
        """Budgets that differ by more than 1 % between the arms that are compared (all but teachers).

        Returns:
            For each name of a budget, what each arm took; empty when all is equal. An arm that did not say how much
            of it it took, while another did, is not compared on it.
        """
        taken: dict[str, dict[str, float]] = {}
        for name, arm in self.arms.items():
            if arm.role != "teacher":
                for of, amount in self.budget(name).items():
                    if of != "seconds":
                        taken.setdefault(of, {})[name] = amount
        return {
            of: amounts
            for of, amounts in taken.items()
            if max(amounts.values()) > (1 + _BUDGET_TOLERANCE) * min(amounts.values())
        }

    def to_json(self) -> dict[str, Any]:
        """Everything but the statistics: definitions, costs, scores with intervals, and verdicts."""
        from limbeck.systems.findings_files import to_json

        return to_json(self)

    def save(self, folder: Path) -> None:
        """Write ``metrics.json`` (to be read) and ``statistics.safetensors`` (to be compared with) into a folder."""
        from limbeck.systems.findings_files import save

        save(self, folder)

    @staticmethod
    def load(folder: Path) -> Findings:
        """Read what :meth:`save` wrote; the two are equal.

        Raises:
            LimbeckError: A file is missing or is not what :meth:`save` writes.
        """
        from limbeck.systems.findings_files import load

        return load(folder)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Findings):
            return NotImplemented
        fields = [name for name in self.__dataclass_fields__ if not name.startswith("_")]
        return (
            all(getattr(self, name) == getattr(other, name) for name in fields)
            and self._statistics.keys() == other._statistics.keys()
            and all(np.array_equal(rows, other._statistics[key]) for key, rows in self._statistics.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def _arm(self, name: str) -> Arm:
        if name not in self.arms:
            raise LimbeckError(f"no arm {name!r} is declared; {near_matches(name, self.arms)}")
        return self.arms[name]
