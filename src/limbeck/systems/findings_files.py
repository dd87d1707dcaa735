"""Findings as files: what is found is kept with all that it takes to judge it again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.evaluation.base import Metric
from limbeck.files import write_atomically
from limbeck.systems.claims import Claim
from limbeck.systems.findings import Arm, Findings

_FORMAT = 1


def to_json(findings: Findings) -> dict[str, Any]:
    """Everything but the statistics: definitions, costs, scores with intervals, and verdicts."""
    measured = {column: [arm for arm in findings.arms if findings.seeds(arm, column)] for column in findings.metrics}
    return {
        **_definitions(findings),
        "unequal_budgets": findings.unequal_budgets(),
        "scores": {
            column: {arm: dataclasses.asdict(findings.interval(arm, column)) for arm in arms}
            for column, arms in measured.items()
        },
        "scores_by_seed": {
            column: {arm: _by_seed(findings, arm, column) for arm in arms} for column, arms in measured.items()
        },
        "verdicts": [
            {"text": judged.claim.text, "verdict": judged.verdict, **dataclasses.asdict(judged.comparison)}
            for judged in findings.verdicts()
        ],
    }


def save(findings: Findings, folder: Path) -> None:
    """Write ``metrics.json`` (to be read) and ``statistics.safetensors`` (to be compared with) into a folder."""
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    named = {
        json.dumps([arm, column, seed]): rows
        for arm in findings.arms
        for column in findings.metrics
        if (seeds := findings.seeds(arm, column))
        for seed, rows in zip(seeds, findings.statistics(arm, column), strict=True)
    }
    write_atomically(folder / "statistics.safetensors", save(named))
    # First what cannot fail: a claim about something that was not measured must not cost an hour's results.
    for written in (_definitions, to_json):
        text = json.dumps(written(findings), indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(folder / "metrics.json", f"{text}\n")


def load(folder: Path) -> Findings:
    """Read what :func:`save` wrote; the two are equal.

    Raises:
        LimbeckError: A file is missing or is not what :func:`save` writes.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        written = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        tensors = load((folder / "statistics.safetensors").read_bytes())
        if written["format"] != _FORMAT:
            raise LimbeckError(f"{folder}: findings of format {written['format']}; this version reads {_FORMAT}")
        metrics = {
            column: Metric.from_json({name: value for name, value in settings.items() if name != "signature"})
            for column, settings in written["metrics"].items()
        }
        return Findings(
            system=written["system"],
            arms={arm["name"]: Arm(**arm) for arm in written["arms"]},
            metrics=metrics,
            claims=[Claim(**claim) for claim in written["claims"]],
            notes=written["notes"],
            spent={arm: {int(seed): costs for seed, costs in runs.items()} for arm, runs in written["spent"].items()},
            samples=written["samples"],
            level=written["level"],
            _statistics={_key(name): rows for name, rows in tensors.items()},
        )
    except FileNotFoundError as error:
        raise LimbeckError(f"no findings in {folder}: {error.filename} is missing") from None
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise LimbeckError(f"{folder} holds no readable findings: {type(error).__name__}: {error}") from None


def _definitions(findings: Findings) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "system": findings.system,
        "samples": findings.samples,
        "level": findings.level,
        "arms": [dataclasses.asdict(arm) for arm in findings.arms.values()],
        "metrics": {
            column: {**metric.to_json(), "signature": metric.signature} for column, metric in findings.metrics.items()
        },
        "claims": [dataclasses.asdict(claim) for claim in findings.claims],
        "notes": findings.notes,
        "spent": {
            arm: {str(seed): costs for seed, costs in sorted(runs.items())} for arm, runs in findings.spent.items()
        },
    }


def _by_seed(findings: Findings, arm: str, column: str) -> dict[str, float]:
    scores = findings.metrics[column].aggregate(findings.statistics(arm, column).sum(axis=1))
    return {str(seed): float(score) for seed, score in zip(findings.seeds(arm, column), scores, strict=True)}


def _key(written: str) -> tuple[str, str, int]:
    arm, column, seed = json.loads(written)
    return str(arm), str(column), int(seed)
