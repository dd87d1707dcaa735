"""Run folders as they are read back: findings or scores, logs and configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from limbeck.errors import LimbeckError
from limbeck.report import tables
from limbeck.report.axes import LARGEST
from limbeck.systems.findings import Findings, Role
from limbeck.training.run_folder import RunFolder

Row = dict[str, Any]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]

_SIGNS = ("metrics.json", "statistics.safetensors", "config.yaml", "log.jsonl")
"""A folder with one of these is a run, or what is left of one."""

_MOST_SAMPLES = 1_000_000
"""Of a bootstrap; a file that asks for more is damaged, or meant to keep the reader busy."""


class Score(BaseModel):
    """One metric of one test, as `limbeck train` writes it."""

    value: Number
    low: Number
    high: Number
    higher_is_better: bool
    signature: str
    level: Number = 0.95


class Scores(BaseModel):
    """All metrics of one test."""

    segments: int
    metrics: dict[str, Score]


@dataclass(frozen=True)
class Run:
    """One run folder.

    Args:
        folder: Where it lies.
        findings: What a system found; None in a folder of `limbeck train`.
        tests: Scores by test; empty in a folder of `limbeck run`.
        config: Its ``config.yaml``; empty where there is none.
        logs: Rows of each training's log, by the training's folder; ``""`` is the run's own.
        problems: What could not be read and can be done without.
    """

    folder: Path
    findings: Findings | None = None
    tests: dict[str, Scores] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, list[Row]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_runs(paths: Iterable[Path], warn: Callable[[str], None]) -> list[Run]:
    """Read run folders, and all that lie below folders that are none themselves.

    Args:
        paths: Folders, in the order in which they are to be shown.
        warn: Is told of each damaged or unfinished run below such a folder; it is left out.

    Returns:
        Each run once.

    Raises:
        LimbeckError: A named folder is missing, a damaged or unfinished run, or has no run below it.
    """
    runs: dict[Path, Run] = {}
    for path in paths:
        if not path.is_dir():
            raise LimbeckError(f"{path}: {'is a file' if path.exists() else 'no such folder'}; expected a run's folder")
        if _is_run(path):
            runs.setdefault(path.resolve(), read_run(path))
            continue
        below = list(_runs_below(path))
        found = False
        for folder in below:
            try:
                runs.setdefault(folder.resolve(), read_run(folder))
                found = True
            except LimbeckError as error:
                warn(f"left out: {error}")
        if not found:
            looked = f"none of the {len(below)} runs below it can be read" if below else f"none of {', '.join(_SIGNS)}"
            raise LimbeckError(f"{path}: holds no run ({looked}); name a folder of `limbeck run` or `limbeck train`")
    return list(runs.values())


def read_run(folder: Path) -> Run:
    """Read one run folder.

    Raises:
        LimbeckError: It is unfinished or damaged.
    """
    metrics = folder / "metrics.json"
    if not metrics.is_file():
        raise LimbeckError(f"{folder}: the run is not finished: it has no metrics.json")
    try:
        written = json.loads(metrics.read_bytes())
    except (ValueError, RecursionError) as error:
        raise LimbeckError(f"{metrics}: is not JSON ({error})") from None
    config, problems = _config(folder)
    logs, unread = _logs(folder)
    problems += unread
    if isinstance(written, dict) and "tests" in written and "format" not in written:
        return Run(folder, None, _tests(metrics, written["tests"]), config, logs, tuple(problems))
    return Run(folder, _findings(folder), {}, config, logs, tuple(problems))


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in _SIGNS)


def _runs_below(path: Path) -> Iterator[Path]:
    """Folders that are runs, in order; what lies inside a run is part of it, and hidden folders are passed over."""
    for folder, inside, _ in os.walk(path):
        if _is_run(Path(folder)):
            inside.clear()
            yield Path(folder)
        inside[:] = sorted(name for name in inside if not name.startswith("."))


def _findings(folder: Path) -> Findings:
    """Findings of which every table can be made."""
    try:
        findings = Findings.load(folder)
        _check(findings)
        tables.grids(findings)
        tables.notes(findings)
        numbers = [
            *(number for judged in findings.verdicts() for number in (judged.low, judged.high, judged.claim.margin)),
            *(
                number
                for column in findings.metrics
                for arm in findings.arms
                if findings.seeds(arm, column)
                for number in (findings.interval(arm, column).low, findings.interval(arm, column).high)
            ),
        ]
    except LimbeckError as error:
        raise LimbeckError(str(error) if str(folder) in str(error) else f"{folder}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise LimbeckError(f"{folder}: its findings contradict themselves ({type(error).__name__}: {error})") from None
    if not all(-LARGEST <= number <= LARGEST for number in numbers):
        raise LimbeckError(f"{folder}: its findings contain NaN or a number beyond {LARGEST:g}")
    return findings


def _check(findings: Findings) -> None:
    """What :meth:`Findings.load` takes as it comes."""
    if not isinstance(findings.system, str):
        raise LimbeckError(f"the system's name is {findings.system!r}; expected text")
    if not (1 <= findings.samples <= _MOST_SAMPLES and 0 < findings.level < 1):
        raise LimbeckError(f"{findings.samples} samples at level {findings.level} are no bootstrap")
    for arm in findings.arms.values():
        if arm.role not in get_args(Role):
            raise LimbeckError(f"arm {arm.name!r} has the role {arm.role!r}; possible are {', '.join(get_args(Role))}")


def _tests(path: Path, written: Any) -> dict[str, Scores]:
    try:
        return TypeAdapter(dict[str, Scores]).validate_python(written)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("tests", *first["loc"])))
        raise LimbeckError(f"{path}: {where}: {first['msg']}") from None


def _config(folder: Path) -> tuple[dict[str, Any], list[str]]:
    path = folder / "config.yaml"
    if not path.is_file():
        return {}, []
    try:
        config = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}, ["config.yaml is not YAML, so it is not shown."]
    return (config, []) if isinstance(config, dict) else ({}, ["config.yaml has no keys, so it is not shown."])


def _logs(folder: Path) -> tuple[dict[str, list[Row]], list[str]]:
    logs, problems = {}, []
    for path in sorted(folder.rglob("log.jsonl")):
        name = path.parent.relative_to(folder).as_posix().removeprefix(".")
        try:
            logs[name] = [row for row in RunFolder(path.parent, resume=True).rows() if isinstance(row, dict)]
        except (LimbeckError, ValueError, RecursionError):
            problems.append(f"{path.relative_to(folder)} is damaged, so its curves are not shown.")
    return logs, problems
