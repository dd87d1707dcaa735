"""Who is taught with what, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.cli.app import execute
from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.mix_kd import ARMS, STUDENT, TEACHER, measured
from limbeck.systems.vision.training import Budget, Job


def test_entropy_and_nll_are_those_of_the_teacher_s_words() -> None:
    data = image_set(sizes=Sizes(40, 20, 30, 1))
    torch.manual_seed(0)
    teacher = TEACHER.build(12).eval()
    found = measured(Job("teacher", "teacher", "", 1, STUDENT, data, Budget(1), teacher)).columns
    with torch.no_grad():
        said = torch.distributions.Categorical(logits=teacher(data.test.pixels))
    for column, values in (("entropy", said.entropy()), ("NLL", -said.log_prob(data.test.labels))):
        metric, statistics = found[column]
        assert metric.score(statistics) == pytest.approx(float(values.mean()), rel=1e-4)


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = "run mix-kd --scale smoke --seeds 2 --steps 2 --workers 1 --device cpu --out"
    assert execute([*line.split(), str(tmp_path / "run")]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"teacher", "teacher-by-mixed", *ARMS}
    assert not found.unequal_budgets()
    assert found.score("teacher", "entropy") != found.score("teacher-by-mixed", "entropy")
    # Seeds repeat the students' trainings and not the teachers', which a reader is told.
    assert torch.equal(*torch.from_numpy(found.statistics("teacher-by-mixed", "accuracy")))
    assert not torch.equal(*torch.from_numpy(found.statistics("mix-kd", "NLL")))
    assert any("trained once and serves all seeds" in note for note in found.notes)
