"""What is held out, what the controller is told, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.cli.app import execute
from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.models import Shape
from limbeck.systems.vision.tgeo_kd import ARMS, GAP, measured, part
from limbeck.systems.vision.training import Budget, Job


def test_held_out_pictures_are_not_learnt_from_and_trust_is_measured() -> None:
    data = image_set(sizes=Sizes(60, 20, 30, 1))
    cut = part(data)
    assert (len(cut.train), len(cut.pool)) == (50, 10)
    assert torch.equal(torch.cat([cut.train.images, cut.pool.images]), data.train.images)
    torch.manual_seed(0)
    tiny = Shape("resnet", (4, 8))
    teacher = tiny.build(12).eval()
    for settings, gap in (({"weighting": "fixed"}, 0.0), ({"weighting": "learned"}, None)):
        method = {"name": "tgeo", "classes": 12, **settings}
        job = Job("a", "method", "", 1, tiny, cut, Budget(2), teacher, (method,), label_weight=0.0, held=cut.pool)
        found = measured(job).columns
        metric, statistics = found[GAP.name]
        score = metric.score(statistics)
        assert (score == pytest.approx(0.0, abs=1e-6)) == (gap == 0.0)


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = "run tgeo-kd --scale smoke --steps 2 --workers 1 --device cpu --out"
    assert execute([*line.split(), str(tmp_path / "run")]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"teacher", *ARMS}
    assert not found.unequal_budgets()
