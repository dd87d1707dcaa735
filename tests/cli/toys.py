"""A system small enough to be run in tests, and the command line in this process or in its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOY = '''
"""A coin with a bias stands for a model."""

from __future__ import annotations

import os
import signal
from typing import Literal

import numpy as np

from limbeck.errors import TrainingError
from limbeck.evaluation.metrics import Accuracy
from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab
from limbeck.systems.registry import system


@system(slug="coin", title="Coins [and] dice", year=2024, arxiv="2401.00001", domain="toys", claim="Bias helps.")
def coin(
    lab: Lab,
    *,
    steps: int = 100,
    bias: float = 0.9,
    end: Literal["well", "diverged", "crash", "interrupt"] = "well",
    sizes: tuple[int, ...] = (1, 2),
    limit: int | None = None,
    shout: bool = False,
) -> Findings:
    """A biased coin against a fair one."""
    if end == "diverged":
        raise TrainingError("the loss is not finite")
    if end == "crash":
        raise ValueError("a bug")
    if end == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    lab.say("TOSSING" if shout else "tossing")
    findings, accuracy = Findings("coin"), Accuracy()
    findings.declare("fair", role="baseline", title="Fair coin", parameters=0)
    findings.declare("biased", role="method", title="Biased coin", description="falls to one side", parameters=1)
    for seed in lab.seeds:
        (lab.folder("biased", f"seed-{seed}") / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\\n')
        random = np.random.default_rng(seed)
        for arm, chance in (("fair", 0.5), ("biased", bias)):
            right = (random.random(200) < chance).tolist()
            findings.add(arm, accuracy, seed, accuracy.statistics(right, [True] * 200))
            findings.spend(arm, seed, seconds=0.1, steps=steps)
    findings.claim("the biased coin is right more often", arm="biased", baseline="fair", metric="accuracy")
    findings.claim("the fair coin keeps up", arm="fair", baseline="biased", metric="accuracy", margin=-1)
    return findings
'''


def write_toy(folder: Path) -> Path:
    path = folder / "coin.py"
    path.write_text(TOY)
    return path


def limbeck(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line as a user starts it."""
    code = "from limbeck.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120
    )
