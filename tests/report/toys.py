"""Run folders that were never run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.systems.findings import Findings

SCORE = {"value": 30.5, "low": 28.0, "high": 33.0, "level": 0.95, "higher_is_better": True, "signature": "case:lc"}


def findings(system: str = "toy", seeds: tuple[int, ...] = (1, 2, 3)) -> Findings:
    """A teacher, a baseline, the method and an ablation; one claim holds, one fails, one is open."""
    found = Findings(system, samples=300)
    accuracy, loss = Accuracy(), Mean("loss", lower_is_better=True)
    roles = (("big", "teacher", 0.9), ("alone", "baseline", 0.5), ("kd", "method", 0.8), ("no kd", "ablation", 0.5))
    for number, (name, role, chance) in enumerate(roles):
        found.declare(name, role=role, title=f"The {name}", parameters=1000, description=f"this is {name}")  # type: ignore[arg-type]
        for seed in seeds:
            random = np.random.default_rng([seed, number])
            right = (random.random(200) < chance).tolist()
            found.add(name, accuracy, seed, accuracy.statistics(right, [True] * 200))
            if name != "big":
                found.add(name, loss, seed, loss.of(random.random(200)))
            found.spend(name, seed, seconds=1.25, steps=100)
    found.claim("distilling helps", arm="kd", baseline="alone", metric="accuracy")
    found.claim("the ablation is as good", arm="no kd", baseline="kd", metric="accuracy", margin=-3)
    found.claim("the loss is lower, too", arm="kd", baseline="alone", metric="loss")
    found.notes.append("a note of the system")
    return found


def write_run(folder: Path, found: Findings | None = None, *, config: Mapping[str, Any] | None = None) -> Path:
    """A folder as `limbeck run` leaves it."""
    found = findings() if found is None else found
    found.save(folder)
    values = {"system": found.system, "scale": "default", "device": "cpu", "environment": {"torch": "2.x", "date": "D"}}
    (folder / "config.yaml").write_text(yaml.safe_dump({**values, **(config or {})}), encoding="utf-8")
    for arm in ("kd", "alone"):
        for seed in (1, 2):
            log = [
                {"step": step, "loss": 5 / step + seed, "lr": 0.1, **({"aux": 1.0} if arm == "kd" else {})}
                for step in (1, 2, 3)
            ]
            val = [{"step": 3, "val/loss": 2.0, "val/words": 1.5, **({"val/aux": 1.0} if arm == "kd" else {})}]
            write_log(folder / arm / f"seed-{seed}", [*log, *val])
    return folder


def write_training(folder: Path, tests: Any = None) -> Path:
    """A folder as `limbeck train` leaves it."""
    folder.mkdir(parents=True)
    scored = {"news": {"segments": 1200, "metrics": {"BLEU": SCORE}}} if tests is None else tests
    (folder / "metrics.json").write_text(json.dumps({"tests": scored}))
    (folder / "config.yaml").write_text(yaml.safe_dump({"arm": "ikd", "pair": "en-de", "seed": 7}))
    write_log(folder, [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}])
    return folder


def write_log(folder: Path, rows: list[Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
