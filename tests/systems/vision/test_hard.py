"""What the teacher has seen, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.cli.app import execute
from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.hard import ARMS, ELSEWHERE, MOVED, TURNED, everywhere


def test_the_teacher_sees_things_moved_and_rotated() -> None:
    pictures = image_set(sizes=Sizes(1, 1, 1, 12), wander=0.0).pool
    seen = everywhere(pictures, moves=2, turns=1)
    parts = seen.images.split(12)
    assert len(parts) == 4
    assert torch.equal(parts[0], pictures.images)
    assert torch.equal(parts[1], pictures.shifted("moved").images)
    assert torch.equal(parts[2], pictures.shifted("moved", seed=1).images)
    assert not torch.equal(parts[1], parts[2])
    assert torch.equal(parts[3], pictures.shifted("rotated").images)
    assert torch.equal(seen.labels, pictures.labels.repeat(4))


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = "run hard --scale smoke --steps 2 --workers 1 --device cpu --out"
    assert execute([*line.split(), str(tmp_path / "run")]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"teacher", *ARMS}
    assert {MOVED, TURNED, "agreement, moved", "learnt shift"} < set(found.metrics)
    # In two steps an augmenter learns once, which is a fifth pass beside two a step.
    passes = found.unequal_budgets()
    assert list(passes) == ["passes"]
    assert passes["passes"] == {arm: 5.0 if arm.startswith("hard") else 4.0 for arm in ARMS}
    assert found.score("teacher", "agreement, moved") == 100.0
    assert found.score("shifts", "learnt shift") == pytest.approx(0.2)
    assert found.score("fixed", "learnt shift") == pytest.approx(0.1)
    assert found.score("hard", "learnt shift") != pytest.approx(0.1, abs=1e-4)
    for arm in ARMS:
        both = (found.score(arm, MOVED) + found.score(arm, TURNED)) / 2
        assert found.score(arm, ELSEWHERE.name) == pytest.approx(both)
