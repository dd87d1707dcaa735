"""Whether what was asked for goes together."""

from __future__ import annotations

from limbeck.distill.config import DistillConfig
from limbeck.distill.splits import Splits
from limbeck.distill.task import EMBEDDING
from limbeck.errors import LimbeckError
from limbeck.methods.base import Method


def check_method(method: Method, config: DistillConfig) -> None:
    """Say early what would only be missed in the midst.

    Args:
        method: The configuration's.
        config: What else was asked for.

    Raises:
        LimbeckError: The two do not go together, or there is no store where one was named.
    """
    if method.own_tokenizers and (config.task != "causal-lm" or config.store or config.sampling or config.data.pack):
        raise LimbeckError(
            f"method: {method.name!r} is for causal-lm with a live teacher, without packing and sampling"
        )
    if isinstance(config.chunk, int) and not method.positionwise:
        raise LimbeckError(f"chunk: {method.name!r} does not judge each position by itself; set it to auto or null")
    if method.needs.labels and config.task not in ("sequence-classification", "image-classification"):
        raise LimbeckError(
            f"method: {method.name!r} reads the class of a whole text or picture, and the task {config.task!r} has none"
        )
    vectors = method.needs.student_hidden == (EMBEDDING,)
    if config.compile and method.needs.teacher_hidden and not vectors:
        raise LimbeckError(f"compile: {method.name!r} looks into the models, which makes each step compile anew")
    if (config.task == EMBEDDING) != vectors:
        wanted = "compares sentence vectors" if vectors else "compares logits or hidden states"
        raise LimbeckError(f"method: {method.name!r} {wanted}; the task {config.task!r} needs another")
    if config.store is not None:
        from limbeck.teachers.store.manifest import read_manifest

        method.check_stored(read_manifest(config.store).description.keep)


def check_prompts(config: DistillConfig, splits: Splits) -> None:
    """Refuse rows that a student could not go on with, where it shall write some batches itself.

    Args:
        config: What was asked for.
        splits: What is learnt from.

    Raises:
        LimbeckError: There is one; it is named.
    """
    if config.sampling is None:
        return
    for row, example in zip(splits.rows["train"], splits.train.texts(), strict=True):
        if not example.prompt:
            raise LimbeckError(f"{row.where}: no prompt to go on with; 'sampling' needs rows of prompt and completion")
