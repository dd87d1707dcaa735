"""What the teacher has seen, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.cli.app import execute
from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.hard import ARMS, MOVED, TURNED, everywhere


def test_the_teacher_sees_things_moved_and_rotated() -> None:
    pictures = image_set(sizes=Sizes(1, 1, 1, 12), wander=0.0).pool
    seen = everywhere(pictures)
    assert torch.equal(seen.images[:12], pictures.images)
    assert torch.equal(seen.images[12:24], pictures.shifted("moved").images)
    assert torch.equal(seen.images[24:], pictures.shifted("rotated").images)
    assert torch.equal(seen.labels, pictures.labels.repeat(3))


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = "run hard --scale smoke --steps 2 --workers 1 --device cpu --out"
    assert execute([*line.split(), str(tmp_path / "run")]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"teacher", *ARMS}
    assert {MOVED, TURNED, "agreement, moved", "learnt shift"} < set(found.metrics)
    assert not found.unequal_budgets()
    assert found.score("teacher", "agreement, moved") == 100.0
    assert found.score("shifts", "learnt shift") == pytest.approx(0.2)
    assert found.score("hard", "learnt shift") != pytest.approx(0.05, abs=1e-4)
    assert found.claims[0].text == "HARD is better than KD on moved pictures"
