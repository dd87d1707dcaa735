"""What is counted as many and few, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.cli.app import execute
from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.models import Shape
from limbeck.systems.vision.training import Budget, Job
from limbeck.systems.vision.trg import ARMS, EVEN, FEW, MANY, STUDENT, measured


def test_many_and_few_are_the_first_and_the_last_third_of_the_classes() -> None:
    data = image_set(sizes=Sizes(40, 20, 120, 1))
    torch.manual_seed(0)
    teacher = Shape("resnet", (4, 8)).build(12).eval()
    found = measured(Job("teacher", "teacher", "", 1, STUDENT, data, Budget(1), teacher)).columns
    with torch.no_grad():
        right = teacher(data.test.pixels).argmax(-1) == data.test.labels
    for column, chosen in ((MANY, data.test.labels < 4), (FEW, data.test.labels >= 8)):
        metric, statistics = found[column]
        assert metric.score(statistics) == pytest.approx(100 * float(right[chosen].float().mean()))
        assert len(statistics) == int(chosen.sum())


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = "run trg --scale smoke --steps 2 --factor 5 --workers 1 --device cpu --out"
    assert execute([*line.split(), str(tmp_path / "run")]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"teacher", *ARMS, *(f"{arm}-even" for arm in EVEN)}
    assert set(found.metrics) == {"accuracy", MANY, FEW}
    assert not found.unequal_budgets()
