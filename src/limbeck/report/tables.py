"""Findings and comparisons as tables, for a terminal and as Markdown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limbeck.evaluation.bootstrap import Interval

if TYPE_CHECKING:
    from rich.table import Table

    from limbeck.systems.claims import Claim
    from limbeck.systems.findings import Findings

_COLOURS = {"holds": "green", "fails": "red", "open": "yellow"}


@dataclass(frozen=True)
class Grid:
    """A table before it is decided where it is shown.

    Args:
        title: Stands above it.
        header: Names of the columns.
        rows: Cells as they are printed.
        text_columns: How many columns from the left hold words; the others hold numbers.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1

    def markdown(self) -> str:
        """The table in Markdown, with its title as a heading.

        Example:
            >>> print(Grid("Scores", ("arm", "BLEU"), (("alone", "30.1"),)).markdown())
            ### Scores
            <BLANKLINE>
            | arm | BLEU |
            | --- | ---: |
            | alone | 30.1 |
        """
        rule = ["---" if i < self.text_columns else "---:" for i in range(len(self.header))]
        lines = [self.header, tuple(rule), *(tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows)]
        return "\n".join([f"### {self.title}", "", *(f"| {' | '.join(line)} |" for line in lines)])

    def rich(self) -> Table:
        """The table for a terminal; verdicts are coloured, and spelt out all the same."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for i, name in enumerate(self.header):
            # Only the first column may be folded in a narrow terminal, and never away.
            table.add_column(
                Text(name), justify="left" if i < self.text_columns else "right", no_wrap=i > 0, min_width=12 * (i == 0)
            )
        for row in self.rows:
            table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
        return table


def scores(findings: Findings) -> Grid:
    """Arms x metrics: each score with its interval."""
    columns = [column for column in findings.metrics if any(findings.seeds(arm, column) for arm in findings.arms)]
    arrows = {column: "" if findings.metrics[column].higher_is_better else " ↓" for column in columns}
    rows = [
        (
            arm.title,
            arm.role,
            *(
                estimate(findings.interval(arm.name, column)) if findings.seeds(arm.name, column) else "-"
                for column in columns
            ),
        )
        for arm in findings.arms.values()
    ]
    header = ("arm", "role", *(column + arrows[column] for column in columns))
    return Grid("Scores", header, tuple(rows), text_columns=2)


def budgets(findings: Findings) -> Grid:
    """What each arm is and took: parameters at inference, then what was spent in training, means over seeds."""
    spent = {arm: findings.budget(arm) for arm in findings.arms}
    costs = list(dict.fromkeys(name for budget in spent.values() for name in budget))
    rows = [
        (
            arm.title,
            "-" if arm.parameters is None else f"{arm.parameters:,}",
            *(_amount(spent[arm.name][name], name) if name in spent[arm.name] else "-" for name in costs),
        )
        for arm in findings.arms.values()
    ]
    header = ("arm", "parameters", *(name.replace("_", " ") for name in costs))
    return Grid("Budgets", header, tuple(rows))


def compared(findings: Findings, claim: Claim) -> tuple[str, str]:
    """What a claim sets against one another: the arm's title, and the baseline's with the share that counts."""
    baseline = findings.arms[claim.baseline].title
    return findings.arms[claim.arm].title, baseline if claim.scale == 1 else f"{claim.scale:g} of {baseline}"


def claims(findings: Findings) -> Grid:
    """Every claim with its verdict and the numbers that it rests on; misses stand where hits stand."""
    rows = []
    for judged in findings.verdicts():
        claim = judged.claim
        arms = " vs ".join(compared(findings, claim))
        rows.append(
            (
                f"{claim.text} ({arms}, {claim.metric})",
                judged.verdict,
                difference(judged.advantage, judged.low, judged.high, margin=claim.margin),
                f"> {claim.margin:g}",
            )
        )
    return Grid("Claims", ("claim", "verdict", "advantage", "needed"), tuple(rows), text_columns=2)


def notes(findings: Findings) -> list[str]:
    """What a reader must know beside the tables: seeds, intervals, unequal budgets, signatures, the system's notes."""
    seeds = sorted(
        {seed for arm in findings.arms for column in findings.metrics for seed in findings.seeds(arm, column)}
    )
    over = "Student's t over seeds" if len(seeds) > 1 else "one seed: they say nothing about training again"
    lines = [
        f"Seeds: {', '.join(map(str, seeds))}. Intervals: {findings.level:.0%}, paired bootstrap over items"
        f" ({findings.samples:,} samples), {over}."
    ]
    for name, amounts in findings.unequal_budgets().items():
        listed = ", ".join(f"{findings.arms[arm].title} {_amount(amount, name)}" for arm, amount in amounts.items())
        lines.append(f"Budgets differ, so the arms are not under equal conditions: {name.replace('_', ' ')}: {listed}.")
    for column, metric in findings.metrics.items():
        lines.append(f"{column}: {metric.signature}")
    return lines + findings.notes


def grids(findings: Findings) -> list[Grid]:
    """The tables of a run: claims first, where there are any, then scores and budgets."""
    judged = [claims(findings)] if findings.claims else []
    return [*judged, scores(findings), budgets(findings)]


def markdown(findings: Findings, *, title: str = "") -> str:
    """The whole report of one run in Markdown."""
    parts = [f"# {title or findings.system}", *(grid.markdown() for grid in grids(findings))]
    described = [f"- **{arm.title}**: {arm.description}" for arm in findings.arms.values() if arm.description]
    if described:
        parts.append("### Arms\n\n" + "\n".join(described))
    parts.append("### Notes\n\n" + "\n".join(f"- {line}" for line in notes(findings)))
    return "\n\n".join(parts) + "\n"


def estimate(interval: Interval) -> str:
    """A score with its interval.

    Example:
        >>> estimate(Interval(71.234, 68.0, 74.5, 0.95, 2000, 3))
        '71.2 [68.0, 74.5]'
        >>> estimate(Interval(0.51234, 0.5, 0.525, 0.95, 2000, 3))
        '0.512 [0.500, 0.525]'
    """
    digits = 1 if max(abs(interval.low), abs(interval.high)) >= 10 else 3
    return f"{interval.value:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def difference(value: float, low: float, high: float, *, margin: float = 0.0) -> str:
    """A difference with its interval, to two digits of the largest of them or of the margin, if that is smaller.

    Args:
        value: The difference.
        low: Lower bound.
        high: Upper bound.
        margin: What it is held against.

    Example:
        >>> difference(3.456, -1.2, 8.1)
        '+3.46 [-1.20, +8.10]'
        >>> difference(-0.0031, -0.0102, 0.0041, margin=-0.005)
        '-0.0031 [-0.0102, +0.0041]'
    """
    largest = max(abs(value), abs(low), abs(high))
    scale = min((size for size in (largest, abs(margin)) if size > 0), default=1.0)
    digits = min(max(2, 1 - math.floor(math.log10(scale))), 6)
    # Without a sign that only rounding has left of zero.
    return f"{value:+z.{digits}f} [{low:+z.{digits}f}, {high:+z.{digits}f}]"


def p_value(p: float) -> str:
    """A p-value to three digits, and never a bare zero.

    Example:
        >>> p_value(0.0004), p_value(0.25)
        ('< 0.001', '0.250')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _amount(value: float, name: str) -> str:
    if name == "seconds":
        return f"{value:,.1f}"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"
