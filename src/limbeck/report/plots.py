"""Figures of findings: arms with intervals, claims as a forest, training curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limbeck.systems.findings import Findings

# Okabe and Ito's palette, which is told apart with every kind of colour vision.
ROLES = {"teacher": "#595959", "baseline": "#0072B2", "method": "#D55E00", "ablation": "#E69F00"}
VERDICTS = {"holds": "#009E73", "fails": "#D55E00", "open": "#7F7F7F"}
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#595959")
MARKERS = {"teacher": "s", "baseline": "o", "method": "D", "ablation": "^"}

_STYLE: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#B0B0B0",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "grid.color": "#E6E6E6",
    "font.size": 10,
    "legend.frameon": False,
    "savefig.dpi": 160,
}


def arms(findings: Findings, column: str, path: Path) -> Path:
    """One metric of every arm with its interval; the teacher is drawn as a line to compare with.

    Args:
        findings: What was found.
        column: The metric.
        path: The PNG to write.

    Returns:
        The path.
    """
    shown = [arm for arm in findings.arms.values() if findings.seeds(arm.name, column)]
    intervals = {arm.name: findings.interval(arm.name, column) for arm in shown}
    metric = findings.metrics[column]
    with _figure(path, height=1.5 + 0.42 * len(shown)) as axes:
        for row, arm in enumerate(reversed(shown)):
            found = intervals[arm.name]
            axes.hlines(row, found.low, found.high, color=ROLES[arm.role], linewidth=2.2, alpha=0.9)
            axes.plot(found.value, row, MARKERS[arm.role], color=ROLES[arm.role], markersize=8, label=arm.role)
            sums = findings.statistics(arm.name, column).sum(axis=1)
            axes.plot(metric.aggregate(sums), [row] * len(sums), "|", color=ROLES[arm.role], markersize=9, alpha=0.55)
            axes.annotate(
                f"{found.value:.1f}" if abs(found.value) >= 10 else f"{found.value:.3f}",
                (found.value, row),
                xytext=(0, 8),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                color="#333333",
            )
        axes.set_yticks(range(len(shown)), [arm.title for arm in reversed(shown)])
        axes.set_ylim(-0.6, len(shown) - 0.3)
        axes.margins(x=0.08)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"{column} ({'higher' if metric.higher_is_better else 'lower'} is better)")
        axes.set_title(f"{findings.system}: {column}")
        _one_each(axes, ROLES)
        _footnote(axes, f"Lines: {findings.level:.0%} bootstrap intervals. Ticks: single seeds.")
    return path


def claims(findings: Findings, path: Path) -> Path:
    """Every claim's advantage with its interval against the margin that it needs.

    Args:
        findings: What was found, with at least one claim.
        path: The PNG to write.

    Returns:
        The path.
    """
    judged = findings.verdicts()
    with _figure(path, height=1.6 + 0.55 * len(judged)) as axes:
        axes.axvline(0, color="#808080", linewidth=1)
        for row, verdict in enumerate(reversed(judged)):
            colour = VERDICTS[verdict.verdict]
            axes.hlines(row, verdict.low, verdict.high, color=colour, linewidth=2.4)
            axes.plot(verdict.advantage, row, "o", color=colour, markersize=8)
            axes.plot(verdict.claim.margin, row, "|", color="#222222", markersize=16, markeredgewidth=1.6)
            axes.annotate(
                verdict.verdict,
                (1.015, row),
                xycoords=("axes fraction", "data"),
                va="center",
                color=colour,
                fontweight="bold",
            )
        axes.set_yticks(range(len(judged)), [_wrapped(verdict.claim.text) for verdict in reversed(judged)])
        axes.set_ylim(-0.6, len(judged) - 0.4)
        axes.margins(x=0.08)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("advantage in points")
        axes.set_title(f"{findings.system}: claims")
        _footnote(axes, f"Lines: {findings.level:.0%} paired bootstrap intervals. Black ticks: what the claim needs.")
    return path


def curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], path: Path, *, x: str = "step", y: str = "loss") -> Path:
    """Training curves, one line a run; rows without the value are skipped.

    Args:
        runs: Rows of a log by the run's name. Runs that differ only after the last slash (``"ikd/seed-1"``) share a
            colour and a place in the legend.
        path: The PNG to write.
        x: Key of the horizontal axis.
        y: Key of the vertical axis.

    Returns:
        The path.
    """
    groups = list(dict.fromkeys(name.rpartition("/")[0] or name for name in runs))
    with _figure(path, height=4.2) as axes:
        for name, rows in runs.items():
            points = [(row[x], row[y]) for row in rows if x in row and row.get(y) is not None]
            group = groups.index(name.rpartition("/")[0] or name)
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    color=LINES[group % len(LINES)],
                    linestyle=("-", "--", ":")[group // len(LINES) % 3],
                    linewidth=1.4,
                    alpha=0.85,
                    label=groups[group],
                )
        axes.set_xlabel(x)
        axes.set_title(y)
        _one_each(axes, groups)
    return path


def scatter(points: Mapping[str, Sequence[tuple[float, float]]], path: Path, *, x: str, y: str) -> Path:
    """Pairs of numbers, one colour a group.

    Args:
        points: Pairs by the group's name.
        path: The PNG to write.
        x: What the first of each pair is.
        y: What the second is.

    Returns:
        The path.
    """
    with _figure(path, height=4.2) as axes:
        for number, (name, pairs) in enumerate(points.items()):
            axes.plot(
                *zip(*pairs, strict=True), "os^Dv"[number % 5], color=LINES[number % len(LINES)], alpha=0.8, label=name
            )
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_title(f"{y} by {x}")
        _one_each(axes, points)
    return path


def write(findings: Findings, folder: Path) -> list[Path]:
    """Every figure that findings allow: one a metric, and the claims.

    Returns:
        The files that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [arms(findings, column, folder / f"{_file_name(column)}.png") for column in findings.metrics]
    if findings.claims:
        written.append(claims(findings, folder / "claims.png"))
    return written


@contextmanager
def _figure(path: Path, *, height: float) -> Iterator[Any]:
    """One pair of axes that is saved to the path; no window system, and nothing left in pyplot's global list."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(8, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure.add_subplot()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def _one_each(axes: Any, order: Iterable[str]) -> None:
    """A legend beside the axes with each label once."""
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    ordered = [label for label in order if label in handles]
    if len(ordered) > 1:
        axes.legend(
            [handles[label] for label in ordered], ordered, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9
        )


def _footnote(axes: Any, text: str) -> None:
    axes.figure.supxlabel(text, fontsize=8, color="#666666", x=0.01, ha="left")


def _wrapped(text: str, width: int = 38) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


def _file_name(column: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in column.lower()).strip("-") or "metric"
