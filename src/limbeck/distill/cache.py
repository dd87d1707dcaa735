"""A teacher's outputs over a distillation's data: written once, read in its stead."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.distill.config import DistillConfig
from limbeck.distill.lengths import check_lengths
from limbeck.distill.models import head_of
from limbeck.distill.prepare import load_teacher
from limbeck.distill.splits import Splits, read_splits
from limbeck.distill.task import OF_WHOLE, live_teacher
from limbeck.errors import LimbeckError
from limbeck.methods.base import Method
from limbeck.methods.find import make_method
from limbeck.methods.positions import of_input
from limbeck.teachers.base import Teacher
from limbeck.teachers.store.batches import moved
from limbeck.teachers.store.fingerprints import teacher_fingerprint
from limbeck.teachers.store.manifest import Manifest
from limbeck.teachers.store.reader import StoredTeacher
from limbeck.teachers.store.settings import Per, StoreSettings
from limbeck.teachers.store.write import write_store


def cache_teacher(
    config: DistillConfig,
    folder: Path,
    settings: StoreSettings | None = None,
    *,
    process: int = 0,
    processes: int = 1,
    device: str = "cpu",
    progress: bool = True,
) -> Manifest | None:
    """Run the teacher of a configuration over all its rows and keep what it says.

    Args:
        config: Names teacher, data and method; the method's hidden states are kept, too.
        folder: The store.
        settings: What is kept of the logits.
        process: Which of the processes this is.
        processes: How many write the store.
        device: Where the teacher runs.
        progress: Whether to show how far it is.

    Returns:
        The manifest; None while other processes have not finished.

    Raises:
        LimbeckError: A part cannot be had, or the folder is a file or holds another store.
    """
    if folder.exists() and not folder.is_dir():
        raise LimbeckError(f"{folder}: is a file; a store needs a folder")
    if config.task == "embedding":
        raise LimbeckError("a store keeps logits; sentence vectors are as quick to compute as to read")
    if config.method is None:
        raise LimbeckError("method: without one there is nothing that a store could serve")
    method = make_method(config.method)
    splits = read_splits(config)
    chosen = settings or StoreSettings()
    method.check_stored(chosen.keep_of("row" if config.task in OF_WHOLE else "position"))
    model: Any = load_teacher(config, splits)
    check_lengths(model, "the teacher", splits.texts())
    model.to(device)
    loaders = [split.loader(shuffle=False) for split in splits.distinct()]
    batches: list[Batch] = list(chain.from_iterable(loaders))
    teacher = live_teacher(model, config.task, method, head_of(model, config.teacher, config, method))
    if method.needs.teacher_hidden:
        chosen = chosen.model_copy(update={"hidden": _kept_states(teacher, splits, device)})
    return write_store(
        teacher,
        batches,
        folder,
        chosen,
        name=config.teacher,
        fingerprint=teacher_fingerprint(model),
        tokenizer=_tokenizer(splits),
        template=splits.template,
        process=process,
        processes=processes,
        device=device,
        progress=progress,
    )


@torch.no_grad()
def _kept_states(teacher: Teacher, splits: Splits, device: str) -> dict[str, Per]:
    """By what each hidden state is kept, so that all positions that are compared are there."""
    batch = moved(splits.train.beginning(1), device)
    said = teacher(batch)

    def kept_by(site: str, state: Tensor) -> Per:
        if state.dim() != 3 or "attention_mask" not in batch:
            return "row"
        return "token" if of_input(site, said) else "position"

    return {site: kept_by(site, state) for site, state in said.hidden.items()}


def open_store(folder: Path, teacher: nn.Module, splits: Splits, method: Method) -> StoredTeacher:
    """A store, if it was written for this teacher and this data.

    Args:
        folder: The store.
        teacher: Whose outputs it shall hold.
        splits: The rows, and the tokenizer that read them.
        method: Says which hidden states it needs.

    Raises:
        LimbeckError: It was written for another teacher, tokenizer, template or data, or it is not whole.
    """
    store = StoredTeacher(folder, method.needs.teacher_hidden)
    store.check(
        teacher_fingerprint=teacher_fingerprint(teacher),
        tokenizer=_tokenizer(splits),
        template=splits.template,
        rows=sum(len(split.examples) for split in splits.distinct()),
    )
    # Now, and not when an epoch comes to the row that has changed.
    for split in splits.distinct():
        for batch in split.loader(shuffle=False):
            store.check_batch(batch)
    return store


def _tokenizer(splits: Splits) -> Any:
    """What the store shall know the tokenizer by; pictures it knows by their pixels."""
    return splits.processor if splits.train.texts() else None
