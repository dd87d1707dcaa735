"""Independent trainings side by side: small models use one core each better than all cores together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TypeVar

from limbeck.errors import LimbeckError

Job = TypeVar("Job")
Result = TypeVar("Result")


def default_workers(device: str, jobs: int) -> int:
    """One worker a core on the CPU, one in all on an accelerator; never more than there are jobs."""
    return max(1, min(os.cpu_count() or 1, jobs)) if device == "cpu" else 1


def run_jobs(
    function: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int | None, device: str = "cpu"
) -> Iterator[tuple[Job, Result]]:
    """Run a function on every job; results come as they are ready.

    With several workers each is a fresh process with its share of the cores, so the function must be importable, and
    jobs and results must be picklable. What a job needs of randomness it must seed itself: results do not depend on
    the number of workers.

    Args:
        function: Runs one job.
        jobs: What to run it on.
        workers: Processes; 1 runs everything in this one, None takes :func:`default_workers`.
        device: What the jobs run on.

    Raises:
        LimbeckError: If ``workers`` is not positive, or a worker was killed (out of memory, say).
    """
    if workers is None:
        workers = default_workers(device, len(jobs))
    if workers < 1:
        raise LimbeckError(f"workers: got {workers}, expected at least 1")
    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            yield job, function(job)
        return
    from concurrent.futures.process import BrokenProcessPool

    threads = max(1, (os.cpu_count() or 1) // workers)
    # Fresh processes: a fork would copy torch's thread pools in whatever state they are.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_prepare, initargs=(threads,))
    try:
        running = {pool.submit(function, job): job for job in jobs}
        for done in as_completed(running):
            yield running[done], done.result()
    except BrokenProcessPool:
        raise LimbeckError("a worker was killed; is there enough memory? Try fewer with --workers") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Train something small on one thread, so that its rounding does not depend on how many cores there are.

    Small networks gain hardly anything by more, and a teacher that is on the verge of learning something may come out
    as another one.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _prepare(threads: int) -> None:
    """Take this worker's share of the cores, and end when the main process does, however that ended."""
    import torch

    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
