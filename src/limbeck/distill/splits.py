"""What is learnt from and judged on: rows, read and encoded, split by split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tokenizers import pre_tokenizers

from limbeck.batch import Batch
from limbeck.distill.batches import Collator, ExampleLoader
from limbeck.distill.classes import class_names
from limbeck.distill.columns import check_columns, check_roles
from limbeck.distill.config import DistillConfig
from limbeck.distill.examples import Encoder, Example, packed, with_teacher
from limbeck.distill.images import ImageCollator, ImageExample, encode_images
from limbeck.distill.models import load_config, load_processor, load_tokenizer
from limbeck.distill.rows import Row, read_rows
from limbeck.errors import LimbeckError


@dataclass(frozen=True)
class Splits:
    """What is learnt from and judged on.

    Args:
        train: To learn from.
        val: To choose by.
        test: For the final metrics.
        labels: Names of the classes, for classification.
        rows: Of each split, for metrics that need more than tokens.
        processor: Which made them: a tokenizer, or an image processor.
        template: The chat template that messages were written by, if any.
    """

    train: ExampleLoader
    val: ExampleLoader
    test: ExampleLoader
    labels: list[str]
    rows: dict[str, list[Row]]
    processor: Any = field(repr=False)
    template: str | None = None

    def distinct(self) -> list[ExampleLoader]:
        """Without those that are another under a second name."""
        return [self.train, self.val, *([] if self.test is self.val else [self.test])]

    def texts(self) -> list[Example]:
        """All examples that are made of tokens."""
        return [example for split in self.distinct() for example in split.texts()]


@dataclass(frozen=True)
class _Reader:
    """How rows become examples, and examples batches.

    Args:
        labels: Names of the classes, for classification.
        processor: A tokenizer, or an image processor.
        collator: Makes batches.
        encode: Makes examples.
        template: The chat template that was used, once rows are encoded.
        workers: Processes that make batches.
    """

    labels: list[str]
    processor: Any
    collator: Callable[[Sequence[Any]], Batch]
    encode: Callable[[list[Row]], list[Example] | list[ImageExample]]
    template: Callable[[], str | None] = lambda: None
    workers: int = 0


def read_splits(config: DistillConfig, *, own_tokenizers: bool = False) -> Splits:
    """Read and encode all data.

    Args:
        config: Where it is.
        own_tokenizers: Whether the teacher reads by a tokenizer of its own.

    Raises:
        LimbeckError: A file, a row or a length is not what it should be.
    """
    data = config.data
    check_roles(config.task, data.columns)
    train = read_rows(data.train)
    val = read_rows(data.val) if data.val is not None else None
    if val is None:
        train, val = held_out(train, data.val_share, config.plan.seed)
    test = read_rows(data.test) if data.test is not None else val
    check_columns(data.columns, train, held=[*val, *([] if test is val else test)])
    pictures = config.task == "image-classification"
    reader = _of_pictures(config, train) if pictures else _of_texts(config, train, own_tokenizers)

    loaders: list[ExampleLoader] = []
    first = 0
    for rows in (train, val) if test is val else (train, val, test):
        examples = reader.encode(rows)
        loaders.append(ExampleLoader(examples, reader.collator, config.batch_size, first=first, workers=reader.workers))
        first += len(examples)
    of_splits = {"train": train, "val": val, "test": test}
    return Splits(loaders[0], loaders[1], loaders[-1], reader.labels, of_splits, reader.processor, reader.template())


def _of_texts(config: DistillConfig, train: list[Row], own_tokenizers: bool) -> _Reader:
    """Texts, by the student's tokenizer and, where it has its own, the teacher's beside it."""
    data = config.data
    tokenizer = student_tokenizer(config, own_tokenizers)
    if config.task == "token-classification":
        space_words(tokenizer)
    theirs = load_tokenizer(config.teacher) if own_tokenizers else None
    labels = classes_of(config, train) if config.task.endswith("classification") else []
    encoder = Encoder(config.task, data, tokenizer, labels)
    other = None if theirs is None else Encoder(config.task, data, theirs)
    teacher_pad = 0 if theirs is None else theirs.pad_token_id
    collator = Collator(config.task, tokenizer.pad_token_id, pack=data.pack, teacher_pad=teacher_pad)

    def encode(rows: list[Row]) -> list[Example]:
        examples = packed(encoder(rows), data.max_length) if data.pack else encoder(rows)
        return examples if other is None else with_teacher(examples, other(rows), rows)

    return _Reader(labels, tokenizer, collator, encode, lambda: encoder.chat.used_template)


def _of_pictures(config: DistillConfig, train: list[Row]) -> _Reader:
    """Pictures, by the processor of teacher and student."""
    data = config.data
    processor = load_processor(config.processor or config.teacher)
    labels = classes_of(config, train)
    collator = ImageCollator(processor)
    return _Reader(labels, processor, collator, lambda rows: encode_images(rows, data, labels), workers=data.workers)


def classes_of(config: DistillConfig, train: Sequence[Row]) -> list[str]:
    """Names of the classes, in the order of the teacher; without one, in that of the model that the student comes from.

    Raises:
        LimbeckError: Rows and teacher speak of other classes.
    """
    lists = config.task == "token-classification"
    role = "labels" if lists else "label"
    taught = config.method is not None
    model = config.teacher if taught or config.student.name is None else config.student.name
    column = config.data.columns.get(role, role)
    return class_names(train, column, lists=lists, config=load_config(model), model=model, taught=taught)


def student_tokenizer(config: DistillConfig, own: bool) -> Any:
    """What the student reads by: the teacher's tokenizer, or its own where the method is for that.

    Raises:
        LimbeckError: Teacher or student have another, and the method compares the same classes.
    """
    named = config.student.name
    if own:
        if named is None:
            raise LimbeckError("method: it is for a student with a tokenizer of its own; name one with student.name")
        return load_tokenizer(config.tokenizer or named)
    tokenizer = load_tokenizer(config.tokenizer or config.teacher)
    if config.method is None:
        return tokenizer
    chosen = config.tokenizer or config.teacher
    for name in (config.teacher, named):
        try:
            theirs = tokenizer if name in (None, chosen) else load_tokenizer(name)
        except LimbeckError:
            continue  # it came without one
        if theirs.get_vocab() != tokenizer.get_vocab():
            raise LimbeckError(
                f"{name} has another tokenizer than {chosen}: their ids mean different words; take a method for that "
                "(uld), or models of the same tokenizer"
            )
    return tokenizer


def space_words(tokenizer: Any) -> None:
    """Let a byte-level tokenizer read listed words as in a text, each after a space; the saved one does so, too.

    Those of RoBERTa's and GPT-2's kind know ``" dog"`` and ``"dog"``, the beginning of a text or the rest of a word, as
    different tokens, and would read all words of a list as the latter.

    Args:
        tokenizer: A fast one; others already do so and stay as they are.
    """
    backend = tokenizer.backend_tokenizer
    reader = backend.pre_tokenizer
    if isinstance(reader, pre_tokenizers.ByteLevel):
        reader.add_prefix_space = True
        # RoBERTa's and GPT-2's own classes make their reader anew from this when they are loaded.
        tokenizer.add_prefix_space = True
    elif isinstance(reader, pre_tokenizers.Sequence) and any(
        isinstance(part, pre_tokenizers.ByteLevel) for part in iter(reader)
    ):
        # There, the byte level would put a space before each part into which those before it cut a word.
        space = pre_tokenizers.Metaspace(replacement=" ", prepend_scheme="always", split=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([space, reader])


def held_out(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Set a share of the rows aside.

    Raises:
        LimbeckError: There are too few rows for that.
    """
    number = max(1, round(share * len(rows)))
    if number >= len(rows):
        raise LimbeckError(f"{rows[0].where}: {len(rows)} rows are too few to hold some out; give data.val")
    chosen = set(np.random.default_rng(seed).permutation(len(rows))[:number].tolist())
    kept = [row for at, row in enumerate(rows) if at not in chosen]
    return kept, [rows[at] for at in sorted(chosen)]
