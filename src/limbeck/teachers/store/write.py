"""Runs a live teacher over a data set once, and keeps what it says."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch
from rich.console import Console
from rich.progress import Progress
from torch import nn

from limbeck.batch import Batch
from limbeck.teachers.base import Teacher
from limbeck.teachers.store.batches import moved
from limbeck.teachers.store.fingerprints import (
    Tokenizer,
    teacher_fingerprint,
    template_fingerprint,
    tokenizer_fingerprint,
)
from limbeck.teachers.store.manifest import Manifest
from limbeck.teachers.store.settings import StoreSettings
from limbeck.teachers.store.writer import StoreWriter


def write_store(
    teacher: Teacher,
    loader: Iterable[Batch],
    folder: str | Path,
    settings: StoreSettings | None = None,
    *,
    name: str,
    fingerprint: str | None = None,
    tokenizer: Tokenizer | None = None,
    template: str | None = None,
    process: int = 0,
    processes: int = 1,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> Manifest | None:
    """Run a teacher over a data set once and write its outputs; a stopped run goes on where it was stopped.

    Args:
        teacher: Gives dense logits, and the hidden states that ``settings`` ask for.
        loader: Batches with ``row``; the same ones in the same order each time, and in every process.
        folder: The store's folder.
        settings: What is kept.
        name: The teacher's name, for the manifest.
        fingerprint: What the teacher is known by; of a module, it is found.
        tokenizer: What the data were tokenized with.
        template: The text of the chat template that they were made with.
        process: Which of the processes this is: batch ``j`` belongs to process ``j % processes``.
        processes: How many write the store, on one machine or on many that see the folder.
        device: Where tensors of a batch are moved; by default they stay where they are.
        progress: Whether a bar is shown and the size of the store told at the end, on standard error.

    Returns:
        The manifest; None while other processes have not finished.

    Raises:
        LimbeckError: The folder holds another store, or batches and signals do not fit.
        OSError: A file cannot be written, as on a full disk; the next run goes on from what was written.
    """
    if fingerprint is None and isinstance(teacher, nn.Module):
        fingerprint = teacher_fingerprint(teacher)
    writer = StoreWriter(
        folder,
        settings,
        teacher=name,
        teacher_fingerprint=fingerprint,
        tokenizer=None if tokenizer is None else tokenizer_fingerprint(tokenizer),
        template=None if template is None else template_fingerprint(template),
        process=process,
        processes=processes,
    )
    with writer, _shown(loader, progress) as bar, torch.no_grad():
        for number, batch in enumerate(loader):
            if number % processes == process and not writer.has(batch):
                here = batch if device is None else moved(batch, device)
                writer.add(here, teacher(here))
            bar.advance()
        manifest = writer.finish()
    if progress:
        told = "this part is complete; others are not" if manifest is None else manifest.summary()
        print(f"{folder}: {told}", file=sys.stderr, flush=True)
    return manifest


class _Bar(Protocol):
    def advance(self) -> None: ...


class _Silent:
    def advance(self) -> None:
        """Show nothing."""


class _Shown:
    def __init__(self, bar: Progress, total: int | None) -> None:
        self.bar, self.task = bar, bar.add_task("teacher", total=total)

    def advance(self) -> None:
        """Move on by a batch."""
        self.bar.advance(self.task)


@contextmanager
def _shown(loader: Iterable[Batch], progress: bool) -> Iterator[_Bar]:
    """A bar on a terminal; nothing elsewhere."""
    if not (progress and sys.stderr.isatty()):
        yield _Silent()
        return
    total = len(loader) if isinstance(loader, Sized) else None
    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield _Shown(bar, total)
