"""What is measured of features, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.measures import features_of
from limbeck.systems.vision.nd_loss import ARMS, KD, STUDENT, TEACHERS, WITH_SMALL, measured
from limbeck.systems.vision.training import Budget, Job
from tests.cli.toys import limbeck


def test_length_and_cosine_are_those_of_the_teacher_s_space() -> None:
    data = image_set(sizes=Sizes(60, 20, 30, 1))
    torch.manual_seed(0)
    teacher = TEACHERS["small"].build(12).eval()
    job = Job("teacher", "teacher", "", 1, STUDENT, data, Budget(1), teacher, (KD,))
    found = measured(job).columns
    metric, norms = found["feature norm"]
    assert metric.score(norms) == pytest.approx(1.0)
    shown, told = features_of(teacher, data.train), features_of(teacher, data.test)
    assert shown.shape == (60, 64)
    expected = [
        float(F.cosine_similarity(one, shown[data.train.labels == label].mean(0), dim=0).nan_to_num())
        for one, label in zip(told, data.test.labels, strict=True)
    ]
    metric, cosines = found["cosine to class mean"]
    assert metric.score(cosines) == pytest.approx(sum(expected) / 30, abs=1e-5)


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    more = ("--scale", "smoke", "--steps", 2, "--workers", 1, "--device", "cpu", "--out", tmp_path / "run")
    done = limbeck("run", "nd-loss", *more)
    assert done.returncode == 0, done.stderr
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"teacher-small", "teacher-large", *ARMS, *(f"{arm}-small" for arm in WITH_SMALL)}
    assert set(found.metrics) == {"accuracy", "feature norm", "cosine to class mean"}
    assert not found.unequal_budgets()
    assert len({found.arms[arm].parameters for arm in ARMS}) == 1
    assert len(list((tmp_path / "cache" / "teachers").iterdir())) == 2
