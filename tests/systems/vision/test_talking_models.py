"""The student's task, the teacher's upper part, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.cli.app import execute
from limbeck.signals import tap
from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.models import Shape
from limbeck.systems.vision.talking_models import ARMS, HIGH, KINDS, LOW, downstream, upper_part


def test_some_kinds_in_another_light() -> None:
    whole = image_set(sizes=Sizes(120, 40, 60, 1))
    data = downstream(whole, 2)
    assert data.classes == ("dog", "cat", "horse", "goat", "rabbit", "kettle")
    assert data.train.labels.bincount().tolist() == [2] * 6
    kept = torch.isin(whole.test.labels, torch.tensor(KINDS))
    assert torch.equal(data.test.images, 255 - whole.test.images[kept])
    assert torch.equal(torch.tensor(KINDS)[data.test.labels], whole.test.labels[kept])


def test_the_upper_part_goes_on_from_the_lower_state() -> None:
    torch.manual_seed(0)
    network = Shape("resnet", (4, 6, 8)).build(5).eval()
    with tap(network, [LOW, HIGH]) as hidden:
        network(torch.randn(2, 3, 32, 32))
    torch.testing.assert_close(upper_part(network)(hidden[LOW]), hidden[HIGH])


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    out = str(tmp_path / "run")
    more = ["--scale", "smoke", "--labels", "2", "--steps", "1", "--workers", "1", "--out", out, "--device", "cpu"]
    assert execute(["run", "talking-models", *more]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == set(ARMS)
    assert not found.unequal_budgets()
    assert len({arm.parameters for arm in found.arms.values()}) == 1
