"""Training logs as curves: which of their columns are shown, and where the lines run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.report.axes import LARGEST, Axis, Tick

Point = tuple[float, float]

_MOST_POINTS = 300
"""Of one line; more are not seen, and make the page heavy."""
_COLOURS, _DASHES = 8, 4


@dataclass(frozen=True)
class Style:
    """How the lines of one arm are told apart: by colour and by dashes.

    Args:
        title: What the legend calls it.
        colour: Number of a colour.
        dash: Number of a pattern.
        strong: Whether it stands out.
    """

    title: str
    colour: int
    dash: int
    strong: bool = False


@dataclass(frozen=True)
class Line:
    """One training's curve.

    Args:
        style: Its arm's.
        points: As SVG's ``points``, in percent of the panel, from the upper left corner.
    """

    style: Style
    points: str


@dataclass(frozen=True)
class Panel:
    """One column of the logs.

    Args:
        title: What is drawn.
        summary: The same in words.
        lines: Of all trainings that have it.
        across: Ticks of the steps.
        up: Ticks of the values.
    """

    title: str
    summary: str
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def styles(titles: Iterable[str], strong: Iterable[str] = ()) -> list[Style]:
    """A style for each arm; no two of up to 32 are the same."""
    emphasised = set(strong)
    return [
        Style(title, number % _COLOURS, (number + number // _COLOURS) % _DASHES, title in emphasised)
        for number, title in enumerate(titles)
    ]


def panels(logs: Mapping[str, Sequence[Mapping[str, Any]]], style: Mapping[str, Style]) -> list[Panel]:
    """The loss, then what the validations of all trainings measured.

    Args:
        logs: Rows of each training's log, by name.
        style: Of each name.

    Returns:
        A panel for each column that has a number in it.
    """
    columns = ["loss", *_validated_by_all(logs.values())]
    drawn = (_panel(column, logs, style) for column in columns)
    return [panel for panel in drawn if panel is not None]


def _validated_by_all(logs: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    columns = [
        dict.fromkeys(
            name for row in rows for name in row if name.startswith("val/") and _number(row[name]) is not None
        )
        for rows in logs
    ]
    validated = [names for names in columns if names]
    return [name for name in (validated[0] if validated else ()) if all(name in names for names in validated)]


def _panel(column: str, logs: Mapping[str, Sequence[Mapping[str, Any]]], style: Mapping[str, Style]) -> Panel | None:
    found = {name: points for name, rows in logs.items() if (points := _points(rows, column))}
    if not found:
        return None
    across = Axis.over((x for points in found.values() for x, _ in points), pad=0.0)
    up = Axis.over(y for points in found.values() for _, y in points)
    lines = tuple(Line(style[name], _path(points, across, up)) for name, points in found.items())
    ends = "; ".join(
        f"{name or 'loss'} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for name, points in found.items()
    )
    title = {"loss": "Training loss", "val/loss": "Validation loss"}.get(column) or column.replace(
        "val/", "Validation: ", 1
    )
    return Panel(title, f"{title} by step: {ends}.", lines, tuple(across.ticks()), tuple(up.ticks(4)))


def _points(rows: Sequence[Mapping[str, Any]], column: str) -> list[Point]:
    points = [(_number(row.get("step")), _number(row.get(column))) for row in rows]
    known = [(x, y) for x, y in points if x is not None and y is not None]
    every = math.ceil(len(known) / _MOST_POINTS)
    # The last one always stays: it is what the curve ends with.
    return [*known[:-1][::every], *known[-1:]] if known else []


def _path(points: Sequence[Point], across: Axis, up: Axis) -> str:
    """A single point is drawn twice, since a line of one point is not drawn at all."""
    drawn = [*points, *points] if len(points) == 1 else points
    return " ".join(f"{across.at(x)},{100 - float(up.at(y)):.4g}" for x, y in drawn)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None
