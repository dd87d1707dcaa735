from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
import torch

from limbeck.errors import LimbeckError, TrainingError
from limbeck.systems.jobs import default_workers, run_jobs


def square(number: int) -> tuple[int, int, int]:
    return number * number, os.getpid(), torch.get_num_threads()


def diverge(number: int) -> int:
    if number == 2:
        raise TrainingError(f"job {number}: the loss is not finite")
    return number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_gives_its_result(workers: int) -> None:
    found = dict(run_jobs(square, [1, 2, 3, 4], workers=workers))
    assert {job: result[0] for job, result in found.items()} == {1: 1, 2: 4, 3: 9, 4: 16}
    here = {result[1] == os.getpid() for result in found.values()}
    assert here == {workers == 1}
    if workers > 1:
        assert {result[2] for result in found.values()} == {max(1, (os.cpu_count() or 1) // workers)}


def test_one_job_needs_no_worker() -> None:
    assert [result[1] for _, result in run_jobs(square, [5], workers=3)] == [os.getpid()]
    assert list(run_jobs(square, [], workers=3)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_through(workers: int) -> None:
    with pytest.raises(TrainingError, match="job 2: the loss is not finite"):
        list(run_jobs(diverge, [1, 2, 3], workers=workers))


@pytest.mark.parametrize(
    ("function", "workers", "message"), [(square, 0, "workers: got 0"), (die, 2, "a worker was killed")]
)
def test_refused(function: Callable[[int], object], workers: int, message: str) -> None:
    with pytest.raises(LimbeckError, match=message):
        list(run_jobs(function, [1, 2], workers=workers))


def test_default_workers() -> None:
    assert default_workers("cuda", 8) == 1
    assert default_workers("cpu", 1) == 1
    assert default_workers("cpu", 0) == 1
    assert 1 <= default_workers("cpu", 1000) <= (os.cpu_count() or 1)
