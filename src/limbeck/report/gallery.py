"""The gallery: run folders as one static page that needs no network and runs no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from limbeck.files import write_atomically
from limbeck.report import bars, curves, tables
from limbeck.report.runs import Run
from limbeck.report.tables import Grid
from limbeck.systems.cards import Card
from limbeck.systems.claims import Verdict
from limbeck.systems.findings import Arm, Findings


@dataclass(frozen=True)
class RunView:
    """One run as the page shows it.

    Args:
        id: Of its place on the page.
        title: The system's name, or what was trained.
        name: Of the folder.
        card: From the catalogue; None where it has none of that name, or for `limbeck train`.
        notices: What a reader must know before all else.
        facts: Scale, seeds, device and the like.
        claims: With their verdicts.
        charts: One a metric.
        grids: Tables.
        arms: Descriptions by title.
        panels: Training curves.
        legend: What their lines mean.
        notes: What stands below the tables.
        config: What was asked for, as YAML.
        environment: What it was run with.
        system: Whether it is a run of a system, and not a single training.
    """

    id: str
    title: str
    name: str
    card: Card | None
    notices: tuple[str, ...]
    facts: dict[str, str]
    claims: tuple[bars.ClaimView, ...]
    charts: tuple[bars.Chart, ...]
    grids: tuple[Grid, ...]
    arms: dict[str, str]
    panels: tuple[curves.Panel, ...]
    legend: tuple[curves.Style, ...]
    notes: tuple[str, ...]
    config: str
    environment: dict[str, str]
    system: bool = True

    def counts(self) -> dict[str, int]:
        """How many claims have each verdict."""
        return _counts([self])


@dataclass
class SystemView:
    """A system in the overview.

    Args:
        title: Its name.
        card: From the catalogue.
        runs: Its runs.
    """

    title: str
    card: Card | None
    runs: list[RunView] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many claims of all its runs have each verdict."""
        return _counts(self.runs)


def write(runs: Sequence[Run], path: Path, cards: Mapping[str, Card]) -> None:
    """Write the page.

    Args:
        runs: As :func:`~limbeck.report.runs.read_runs` gives them.
        path: The file; its folder is made where it does not exist.
        cards: The catalogue, which knows the papers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A run may hold half a surrogate pair, which JSON can write and UTF-8 cannot.
    write_atomically(path, render(runs, cards).encode("utf-8", "replace").decode("utf-8"))


def render(runs: Sequence[Run], cards: Mapping[str, Card]) -> str:
    """The page: the same text for the same runs, with whatever they hold escaped.

    Args:
        runs: They are shown in this order, those of one system together and single trainings last.
        cards: The catalogue.
    """
    names = list(dict.fromkeys(run.findings.system for run in runs if run.findings is not None))
    ordered = sorted(runs, key=lambda run: names.index(run.findings.system) if run.findings else len(names))
    views = [_view(f"run-{number}", run, cards) for number, run in enumerate(ordered, start=1)]
    systems: dict[str, SystemView] = {}
    for view in views:
        if view.system:
            systems.setdefault(view.title, SystemView(view.title, view.card)).runs.append(view)
    environment = Environment(
        loader=PackageLoader("limbeck.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("gallery.html").render(
        runs=views,
        systems=list(systems.values()),
        trainings=[view for view in views if not view.system],
        counts_in_all=_counts(views),
    )


def _view(id: str, run: Run, cards: Mapping[str, Card]) -> RunView:
    asked = {name: value for name, value in run.config.items() if name != "environment"}
    environment = run.config.get("environment")
    known = _plain(environment) if isinstance(environment, dict) else {}
    common = {
        "id": id,
        "name": run.folder.resolve().name or str(run.folder),
        "config": yaml.safe_dump(asked, sort_keys=False, allow_unicode=True) if asked else "",
        "environment": known,
    }
    facts = _plain(known, ("date", "limbeck"))
    if run.findings is None:
        return _training_view(run, common, {**_plain(asked, ("seed", "pair")), **facts})
    return _system_view(run, run.findings, common, {**_plain(asked, ("scale", "device")), **facts}, cards)


def _system_view(
    run: Run, findings: Findings, common: dict[str, Any], facts: dict[str, str], cards: Mapping[str, Card]
) -> RunView:
    card = cards.get(findings.system)
    notices = list(run.problems)
    asked = str(run.config.get("system", findings.system))[:300]
    if card is None:
        notices.insert(
            0, f"The catalogue of this version has no system {findings.system!r}; its paper is not known here."
        )
    elif asked != findings.system:
        notices.insert(0, f"Run from a file of its own ({asked}), which may differ from the catalogue's.")
    if run.config.get("scale") == "smoke":
        notices.append("Scale smoke: a check that everything runs. Its scores mean nothing.")
    seeds = sorted(
        {seed for arm in findings.arms for column in findings.metrics for seed in findings.seeds(arm, column)}
    )
    panels, legend = _curves(run, findings.arms)
    return RunView(
        **common,
        title=findings.system,
        card=card,
        notices=tuple(notices),
        facts={"seeds": ", ".join(map(str, seeds)), **facts},
        claims=tuple(bars.claims(findings)),
        charts=tuple(bars.arms(findings, column) for column in findings.metrics),
        grids=(tables.scores(findings), tables.budgets(findings)),
        arms={arm.title: arm.description for arm in findings.arms.values() if arm.description},
        panels=panels,
        legend=legend,
        notes=tuple(tables.notes(findings)),
    )


def _training_view(run: Run, common: dict[str, Any], facts: dict[str, str]) -> RunView:
    panels, legend = _curves(run, {})
    metrics = {name: one for scores in run.tests.values() for name, one in scores.metrics.items()}
    header = ("test", "segments", *(name + ("" if one.higher_is_better else " ↓") for name, one in metrics.items()))
    rows = tuple(
        (test, f"{scores.segments:,}", *(bars.score(scores, name) for name in metrics))
        for test, scores in run.tests.items()
    )
    levels = ", ".join(sorted({f"{one.level:.0%}" for one in metrics.values()}))
    return RunView(
        **common,
        title=str(run.config.get("arm", "training"))[:300],
        card=None,
        notices=run.problems,
        facts=facts,
        claims=(),
        charts=tuple(bars.tests(run.tests, name) for name in metrics),
        grids=(Grid("Scores", header, rows),) if rows else (),
        arms={},
        panels=panels,
        legend=legend,
        notes=(
            f"Intervals: {levels}, bootstrap over segments.",
            *(f"{k}: {one.signature}" for k, one in metrics.items()),
        )
        if metrics
        else (),
        system=False,
    )


def _curves(run: Run, arms: Mapping[str, Arm]) -> tuple[tuple[curves.Panel, ...], tuple[curves.Style, ...]]:
    """Trainings of one arm, ``ARM/seed-N``, share a style; arms stand in their order."""
    groups = {name: name.rpartition("/")[0] or name for name in run.logs}
    order = [arm for arm in arms if arm in groups.values()]
    order += [group for group in dict.fromkeys(groups.values()) if group not in order]
    titles = {group: arms[group].title if group in arms else group or "training" for group in order}
    strong = [arms[group].title for group in order if group in arms and arms[group].role == "method"]
    style = dict(zip(order, curves.styles(titles.values(), strong), strict=True))
    panels = curves.panels(run.logs, {name: style[group] for name, group in groups.items()})
    return tuple(panels), tuple(style.values())


def _counts(views: Iterable[RunView]) -> dict[str, int]:
    counted = Counter(claim.verdict for view in views for claim in view.claims)
    return {verdict: counted[verdict] for verdict in get_args(Verdict)}


def _plain(values: Mapping[Any, Any], names: Iterable[str] | None = None) -> dict[str, str]:
    """Values that are one word, number or line; a file may hold others under any name."""
    chosen = values if names is None else [name for name in names if name in values]
    return {str(name): str(values[name])[:300] for name in chosen if isinstance(values[name], str | int | float)}
