from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from limbeck.training.checkpoint import read_tensors
from tests.training.two_processes import INPUTS, Following, Hardened, descended, train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two processes."""
    folder = tmp_path_factory.mktemp("two")
    # What `accelerate launch` starts beneath for GPUs; for CPUs that command needs MPI.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, "--module", "tests.training.two_processes", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("two", "one"),
    [
        ("plain", {"accumulate": 2}),
        ("accumulated", {"accumulate": 4}),
        ("following", {"accumulate": 2, "kind": Following}),
    ],
)
def test_two_processes_train_as_one(two: str, one: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    train(tmp_path / "one", Accelerator(cpu=True), **one)
    expected, found = (read_tensors(run / "model.safetensors") for run in (tmp_path / "one", folder / two))
    learnt = [name for name in expected if not name.endswith("seen")]  # of the batches of one process
    torch.testing.assert_close({n: found[n] for n in learnt}, {n: expected[n] for n in learnt}, rtol=1e-9, atol=1e-10)
    for row, other in zip(log(folder / two), log(tmp_path / "one"), strict=True):
        assert row.keys() == other.keys()
        for name in row.keys() - {"seconds", "tokens_per_second"}:
            assert row[name] == pytest.approx(other[name], rel=1e-8), name


def test_main_process_speaks_for_all(folder: Path) -> None:
    validations = [row for row in log(folder / "plain") if "process" in row]
    assert [row["process"] for row in validations] == [0.0, 0.0]


def test_processes_drop_different_units_and_resume_exactly(folder: Path) -> None:
    runs = [folder / name / "model.safetensors" for name in ("dropout", "resumed")]
    assert runs[0].read_bytes() == runs[1].read_bytes()
    last = next((folder / "dropout" / "checkpoints").glob("step-*"))
    states = [read_tensors(last / f"random-{rank}.safetensors") for rank in (0, 1)]
    assert not torch.equal(states[0]["cpu"], states[1]["cpu"])


def test_what_each_process_has_seen_goes_on_as_if_never_stopped(folder: Path) -> None:
    whole, resumed = (read_tensors(folder / name / "model.safetensors") for name in ("following", "following-resumed"))
    assert float(whole["method.previous"]) > 0
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    assert log(folder / "following")[-1]["val/taid"] == log(folder / "following-resumed")[-1]["val/taid"]


def test_what_learns_by_itself_stays_the_same_on_both(folder: Path) -> None:
    first, second = (read_tensors(folder / f"augmenter-{rank}.safetensors") for rank in (0, 1))
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    assert all(float(first[name]) != float(value) for name, value in Hardened().method.augmenter.named_parameters())
    for rank in (0, 1):
        moved = read_tensors(folder / f"descended-{rank}.safetensors")
        torch.testing.assert_close(moved, descended(INPUTS))
