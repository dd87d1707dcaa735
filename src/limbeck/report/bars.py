"""Scores and claims as marks with intervals on an axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from limbeck.report import tables
from limbeck.report.axes import Axis, Span, Tick
from limbeck.report.runs import Scores
from limbeck.systems.claims import Judged, Verdict
from limbeck.systems.findings import Arm, Findings


@dataclass(frozen=True)
class Bar:
    """A number with its interval, drawn on an axis.

    Args:
        title: Whose it is.
        label: The same in words.
        role: Of the arm; it decides the mark's shape and colour.
        span: Where the mark and the interval stand.
        dots: Single seeds.
        spoken: What the drawing adds to the label, for those who do not see it.
    """

    title: str
    label: str
    role: str
    span: Span
    dots: tuple[str, ...] = ()
    spoken: str = ""


@dataclass(frozen=True)
class Chart:
    """Bars on one axis.

    Args:
        title: What is measured.
        direction: Which direction is better.
        bars: One an arm, or one a test.
        ticks: Of the axis they share.
    """

    title: str
    direction: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class ClaimView:
    """A claim, its verdict and its drawing.

    Args:
        text: The statement.
        verdict: What the numbers say.
        arms: What is compared with what, on which column.
        numbers: The advantage with its interval.
        needed: What the claim needs.
        span: Where the advantage and its interval stand.
        spoken: What is drawn, for those who do not see it.
        zero: Where no difference is, in percent.
        margin: Where what is needed begins.
        ticks: Of the axis.
    """

    text: str
    verdict: Verdict
    arms: str
    numbers: str
    needed: str
    span: Span
    spoken: str
    zero: str
    margin: str
    ticks: tuple[Tick, ...]


def claims(findings: Findings) -> Iterator[ClaimView]:
    """Every claim with its drawing, in their order."""
    judged = findings.verdicts()
    ends: dict[str, list[float]] = {}
    for one in judged:
        ends.setdefault(one.claim.metric, [0.0]).extend([one.low, one.high, one.advantage, one.claim.margin])
    for one in judged:
        # Claims about the same column share an axis, so that their lengths can be compared.
        yield _claim(findings, one, Axis.over(ends[one.claim.metric]))


def _claim(findings: Findings, judged: Judged, axis: Axis) -> ClaimView:
    claim = judged.claim
    arm, baseline = tables.compared(findings, claim)
    needed = f"more than {claim.margin:g}"
    numbers = tables.difference(judged.advantage, judged.low, judged.high, margin=claim.margin)
    return ClaimView(
        text=claim.text,
        verdict=judged.verdict,
        arms=f"{arm} against {baseline}, {claim.metric}",
        numbers=numbers,
        needed=needed,
        span=axis.span(judged.advantage, judged.low, judged.high),
        spoken=f"advantage {numbers}, needed {needed}: {judged.verdict}",
        zero=axis.at(0),
        margin=axis.at(claim.margin),
        ticks=tuple(axis.ticks()),
    )


def arms(findings: Findings, column: str) -> Chart:
    """One metric of every arm, with its interval and its seeds, in the order of the tables."""
    metric = findings.metrics[column]
    shown: list[Arm] = [arm for arm in findings.arms.values() if findings.seeds(arm.name, column)]
    seeds = {arm.name: metric.aggregate(findings.statistics(arm.name, column).sum(axis=1)).tolist() for arm in shown}
    found = {arm.name: findings.interval(arm.name, column) for arm in shown}
    axis = Axis.over(
        [x for arm in shown for x in (found[arm.name].low, found[arm.name].high, *seeds[arm.name])] or [0.0]
    )
    bars = []
    for arm in shown:
        one, dots = found[arm.name], tuple(map(axis.at, seeds[arm.name]))
        spoken = "seeds: " + ", ".join(f"{score:.3g}" for score in seeds[arm.name])
        bars.append(
            Bar(arm.title, tables.estimate(one), arm.role, axis.span(one.value, one.low, one.high), dots, spoken)
        )
    return Chart(column, _direction(metric.higher_is_better), tuple(bars), tuple(axis.ticks()))


def tests(scores: Mapping[str, Scores], name: str) -> Chart:
    """One metric of a single training on every test that has it."""
    found = {test: one.metrics[name] for test, one in scores.items() if name in one.metrics}
    axis = Axis.over([x for one in found.values() for x in (one.low, one.value, one.high)])
    bars = tuple(
        Bar(test, score(scores[test], name), "baseline", axis.span(one.value, one.low, one.high))
        for test, one in found.items()
    )
    better = next(iter(found.values())).higher_is_better
    return Chart(name, _direction(better), bars, tuple(axis.ticks()))


def score(scores: Scores, name: str) -> str:
    """A test's score with its interval; a dash where it has none."""
    one = scores.metrics.get(name)
    return "-" if one is None else f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"


def _direction(higher_is_better: bool) -> str:
    return f"{'higher' if higher_is_better else 'lower'} is better"
