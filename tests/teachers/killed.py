"""Stores whose writing is killed: each in a process of its own, forked from one that has imported torch already."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

import torch

from limbeck.batch import Batch
from limbeck.signals import Signals
from limbeck.teachers.store.settings import StoreSettings
from limbeck.teachers.store.write import write_store
from tests.teachers.toys import batches, teacher

SETTINGS = StoreSettings(keep="nucleus", k=300, p=0.999, hidden={"1": "position"}, shard_megabytes=0.006)
CHANGES = ("os.rename", "os.remove", "open")
ROWS = 24


def write(
    folder: Path,
    process: int = 0,
    processes: int = 1,
    *,
    change: int | None = None,
    at_batch: int | None = None,
    size: int | None = None,
    full: int | None = None,
) -> None:
    """Write the store, and die at the so-manyth change of a file, the so-manyth batch, or a file of this size.

    Where the disk is ``full`` at a file of some size, the process exits with the number of the error.
    """
    torch.set_num_threads(1)
    live = teacher(hidden=True)
    counter = count(1)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES and str(folder) in str(arguments[0]) and next(counter) == change:
            os.kill(os.getpid(), signal.SIGKILL)

    def said(batch: Batch) -> Signals:
        if at_batch is not None and next(counter) == at_batch:
            os.kill(os.getpid(), signal.SIGKILL)
        return live(batch)

    if change is not None:
        sys.addaudithook(watch)
    if size is not None:
        # The kernel ends the process in the midst of the write; Python would have it go on with an error.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limit := size or full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    loader = batches(ROWS, 2)
    try:
        write_store(said, loader, folder, SETTINGS, name="toy", process=process, processes=processes, progress=False)
    except OSError as error:
        sys.exit(error.errno)


def run(folder: Path, *arguments: Any, **options: Any) -> int:
    """Write in a process of its own; gives its exit code, negative where it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.teachers.killed"])
    process = context.Process(target=write, args=(folder, *arguments), kwargs=options)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode
