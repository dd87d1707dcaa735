"""What trainings found is kept, and a run that goes on does not train again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from limbeck.cli.app import execute
from limbeck.errors import LimbeckError
from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.systems.findings import Arm, Findings
from limbeck.systems.lab import Lab
from limbeck.systems.measured import Column, Measured, measure_all, run_all

LOSS = Mean("loss", lower_is_better=True)


@dataclass(frozen=True)
class Toy:
    arm: str
    seed: int
    broken: bool = False


def train(job: Toy) -> Measured:
    if job.broken:
        raise LimbeckError("diverged")
    columns: dict[str, Column] = {
        "accuracy": (Accuracy(), np.array([[float(job.seed), 1.0], [0.0, 1.0]])),
        "loss, moved": (LOSS, LOSS.of([0.25 * job.seed])),
    }
    return Measured(columns, {"steps": 3.0, "seconds": 0.5}, 7, {"chosen": [job.arm, job.seed]})


def arm(job: Toy) -> Arm:
    return Arm(job.arm, f"the {job.arm}", "baseline")


JOBS = [Toy(name, seed) for seed in (1, 2) for name in ("kd++", "kd--")]


def test_what_is_kept_is_what_was_found(tmp_path: Path) -> None:
    found = train(JOBS[0])
    found.save(tmp_path / "deep" / "one.safetensors")
    again = Measured.load(tmp_path / "deep" / "one.safetensors")
    assert list(again.columns) == list(found.columns)
    for (metric, rows), (other, others) in zip(found.columns.values(), again.columns.values(), strict=True):
        assert metric == other
        assert np.array_equal(rows, others)
    assert (again.spent, again.parameters, again.noted) == (found.spent, 7, found.noted)


def test_a_run_that_goes_on_trains_only_what_is_missing(tmp_path: Path) -> None:
    lab = Lab(seeds=(1, 2), out=tmp_path, quiet=True)
    whole = Findings("toy")
    run_all(lab, whole, JOBS, train, arm=arm, workers=1)
    assert len(list((tmp_path / "jobs").iterdir())) == 4
    # Jobs that cannot be done again stand for those that need not be.
    spoilt = [replace(job, broken=True) for job in JOBS]
    on, asked = Findings("toy"), list[Toy]()
    going = replace(lab, resume=True)

    def ready(left: Sequence[Toy]) -> Sequence[Toy]:
        asked.extend(left)
        return left

    assert run_all(going, on, spoilt, train, arm=arm, workers=1, ready=ready)[spoilt[3]].noted == {
        "chosen": ["kd--", 2]
    }
    assert on == whole
    assert asked == []
    next((tmp_path / "jobs").glob("kd-seed-2-*")).unlink()
    with pytest.raises(LimbeckError, match="diverged"):
        run_all(going, Findings("toy"), spoilt, train, arm=arm, workers=1)
    with pytest.raises(LimbeckError, match="diverged"):  # not asked to go on
        run_all(lab, Findings("toy"), spoilt, train, arm=arm, workers=1)


def test_what_was_done_before_a_failure_is_kept(tmp_path: Path) -> None:
    lab = Lab(seeds=(1, 2), out=tmp_path, quiet=True)
    with pytest.raises(LimbeckError, match="diverged"):
        run_all(lab, Findings("toy"), [replace(JOBS[0], broken=True), *JOBS[1:4]], train, arm=arm, workers=1)
    assert len(list((tmp_path / "jobs").iterdir())) == 3


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    lab = Lab(out=tmp_path, quiet=True)
    run_all(lab, Findings("toy"), JOBS[:1], train, arm=arm, workers=1)
    (file,) = (tmp_path / "jobs").iterdir()
    file.write_bytes(b"nothing")
    with pytest.raises(LimbeckError, match=f"{file.name}: no readable results"):
        run_all(replace(lab, resume=True), Findings("toy"), JOBS[:1], train, arm=arm, workers=1)
    with pytest.raises(LimbeckError, match="jobs with one label"):
        measure_all(lab, JOBS, train, label=lambda _: "same", workers=1)


def test_resume_of_a_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = ["run", "nd-loss", "--scale", "smoke", "--steps", "2", "--workers", "1", "--device", "cpu"]
    line += ["--out", str(tmp_path / "run")]
    assert execute(line) == 0
    first = Findings.load(tmp_path / "run")
    next((tmp_path / "run" / "jobs").glob("dkd-seed-1-*")).unlink()
    capsys.readouterr()
    assert execute([*line, "--resume"]) == 0
    said = capsys.readouterr().err
    assert f"{len(first.arms) - 1} of {len(first.arms)} trainings are done" in said
    assert "(1 of 1)" in said
    again = Findings.load(tmp_path / "run")
    assert {arm: again.score(arm, "accuracy") for arm in again.arms} == {
        arm: first.score(arm, "accuracy") for arm in first.arms
    }
    assert execute([*line, "--resume", "--seeds", "2"]) == 0
    assert f"{len(first.arms)} of {2 * len(first.arms)} trainings are done" in capsys.readouterr().err
    more = Findings.load(tmp_path / "run")
    assert more.seeds("kd", "accuracy") == (1, 2)
    assert np.array_equal(more.statistics("kd", "accuracy")[0], first.statistics("kd", "accuracy")[0])
