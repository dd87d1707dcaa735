"""Runs that are killed: each in a process of its own, forked from one that has imported torch already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

import torch

from limbeck.training.callbacks import Callback, Progress
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder
from tests.training.toys import TaggingTask, sentences

WRITES = ("os.rename", "os.mkdir", "shutil.rmtree", "os.remove", "os.rmdir")


class KillAtStep(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, progress: Progress) -> None:
        if progress.step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_at_write(number: int) -> None:
    """Die just before the so-manyth change of the file system."""
    counter = count(1)

    def watch(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in WRITES and next(counter) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def train(folder: Path, step: int | None, write: int | None, more: dict[str, Any], as_list: bool) -> None:
    torch.set_num_threads(1)
    if write is not None:
        kill_at_write(write)
    values: dict[str, Any] = {
        "lr": 1e-2,
        "epochs": 3,
        "save_every": 3,
        "log_every": 2,
        "schedule": "cosine",
        "clip": 1.0,
    }
    loader = sentences(4)
    fit(
        TaggingTask(dropout=0.3),
        list(loader) if as_list else loader,
        Plan(**values | more),
        run=RunFolder(folder, resume=True),
        validation_loader=sentences(4, shuffle=False, number=8),
        callbacks=[] if step is None else [KillAtStep(step)],
        resume=True,
        progress=False,
    )


def run(
    folder: Path,
    *,
    step: int | None = None,
    write: int | None = None,
    more: dict[str, Any] | None = None,
    as_list: bool = False,
) -> int:
    """Train in a process of its own; gives its exit code, -9 where it was killed."""
    context = multiprocessing.get_context("forkserver")
    # The latter two are what torch and Accelerate import when an optimiser and a task are made: seconds, each time.
    context.set_forkserver_preload(["tests.training.killed", "torch._dynamo", "torch.distributed.tensor"])
    process = context.Process(target=train, args=(folder, step, write, more or {}, as_list))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode
