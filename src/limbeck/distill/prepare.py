"""Everything that a distillation needs, made from its settings: data first, since it fails soonest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from limbeck.batch import Batch
from limbeck.distill.batches import Collator, ExampleLoader
from limbeck.distill.config import DistillConfig
from limbeck.distill.examples import Encoder, class_names, packed, with_teacher
from limbeck.distill.images import ImageCollator, encode_images, networks_of
from limbeck.distill.models import (
    adapted,
    check_causal,
    check_vocabularies,
    head_of,
    load_model,
    load_processor,
    load_tokenizer,
    make_student,
    name_classes,
)
from limbeck.distill.rows import Row, read_rows
from limbeck.distill.sampling import StudentSampler
from limbeck.distill.task import EMBEDDING, DistillTask, live_teacher
from limbeck.errors import LimbeckError
from limbeck.methods.base import Method
from limbeck.methods.find import make_method
from limbeck.models.heads import Head
from limbeck.teachers.base import Teacher
from limbeck.training.seed import set_seed


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


@dataclass(frozen=True)
class Ready:
    """Models and task, before the first step.

    Args:
        config: What was asked for.
        splits: The data.
        teacher: The live model; None where a store stands for it.
        teacher_head: Of it, where logits are made a chunk at a time.
        student: The bare model, which is saved in the end.
        task: What is trained.
    """

    config: DistillConfig
    splits: Splits
    teacher: PreTrainedModel | None
    teacher_head: Head | None
    student: Any
    task: DistillTask


def read_splits(config: DistillConfig, *, own_tokenizers: bool = False) -> Splits:
    """Read and encode all data.

    Args:
        config: Where it is.
        own_tokenizers: Whether the teacher reads by a tokenizer of its own.

    Raises:
        LimbeckError: A file, a row or a length is not what it should be.
    """
    data = config.data
    train = read_rows(data.train)
    val = read_rows(data.val) if data.val is not None else None
    if val is None:
        train, val = held_out(train, data.val_share, config.plan.seed)
    test = read_rows(data.test) if data.test is not None else val
    if config.task == "image-classification":
        return _picture_splits(config, train, val, test)
    tokenizer = student_tokenizer(config, own_tokenizers)
    theirs = load_tokenizer(config.teacher) if own_tokenizers else None
    labels: list[str] = []
    if config.task.endswith("classification"):
        lists = config.task == "token-classification"
        role = "labels" if lists else "label"
        labels = class_names(train, data.columns.get(role, role), lists=lists)
    encoder = Encoder(config.task, data, tokenizer, labels)
    other = None if theirs is None else Encoder(config.task, data, theirs)
    teacher_pad = 0 if theirs is None else theirs.pad_token_id
    collator = Collator(config.task, tokenizer.pad_token_id, pack=data.pack, teacher_pad=teacher_pad)

    loaders: list[ExampleLoader] = []
    for rows in (train, val) if test is val else (train, val, test):
        examples = packed(encoder(rows), data.max_length) if data.pack else encoder(rows)
        if other is not None:
            examples = with_teacher(examples, other(rows), rows)
        first = sum(len(before.examples) for before in loaders)
        loaders.append(ExampleLoader(examples, collator, config.batch_size, first=first))
    return Splits(
        loaders[0],
        loaders[1],
        loaders[-1],
        labels,
        {"train": train, "val": val, "test": test},
        tokenizer,
        encoder.used_template,
    )


def _picture_splits(config: DistillConfig, train: list[Row], val: list[Row], test: list[Row]) -> Splits:
    """Pictures, by the processor of teacher and student."""
    data = config.data
    processor = load_processor(config.processor or config.teacher)
    labels = class_names(train, data.columns.get("label", "label"), lists=False)
    collator, loaders = ImageCollator(processor), []
    first = 0
    for rows in (train, val) if test is val else (train, val, test):
        examples = encode_images(rows, data, labels)
        loaders.append(ExampleLoader(examples, collator, config.batch_size, first=first, workers=data.workers))
        first += len(examples)
    of_splits = {"train": train, "val": val, "test": test}
    return Splits(loaders[0], loaders[1], loaders[-1], labels, of_splits, processor)


def student_tokenizer(config: DistillConfig, own: bool) -> Any:
    """What the student reads by: the teacher's tokenizer, or its own where the method is for that.

    Raises:
        LimbeckError: The student has another than the teacher, and the method compares the same classes.
    """
    named = config.student.name
    if own:
        if named is None:
            raise LimbeckError("method: it is for a student with a tokenizer of its own; name one with student.name")
        return load_tokenizer(config.tokenizer or named)
    tokenizer = load_tokenizer(config.tokenizer or config.teacher)
    if named is None or config.method is None:
        return tokenizer
    try:
        theirs = load_tokenizer(named)
    except LimbeckError:
        return tokenizer  # it came without one
    if theirs.get_vocab() != tokenizer.get_vocab():
        raise LimbeckError(
            f"{named} has another tokenizer than {config.tokenizer or config.teacher}: their classes mean different "
            "words; take a method for that (uld), or a student of the same tokenizer"
        )
    return tokenizer


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


def prepare(config: DistillConfig) -> Ready:
    """Read the data, load the models, and connect the method.

    Raises:
        LimbeckError: A part cannot be had, or the parts do not go together.
    """
    method = None if config.method is None else make_method(config.method)
    if method is not None:
        _check_method(method, config)
    own_tokenizers = method is not None and method.own_tokenizers
    splits = read_splits(config, own_tokenizers=own_tokenizers)
    set_seed(config.plan.seed)
    # Also where a store stands for it: the store must be this teacher's, and the student may be made from it.
    teacher = None if method is None else load_teacher(config, splits.labels)
    # Its own seed: new weights shall not depend on whether the teacher is live or stored.
    set_seed(config.plan.seed)
    student = make_student(config.student, teacher, config, len(splits.labels))
    name_classes(student, splits.labels)
    if teacher is not None and not own_tokenizers:
        check_vocabularies(teacher, student, config.task)
    if config.task == "causal-lm":
        check_causal(student, config.student.name or "the student")
        if teacher is not None:
            check_causal(teacher, config.teacher)
    if config.task != "image-classification":
        check_lengths(student, splits)
    if config.gradient_checkpointing:
        student.gradient_checkpointing_enable()
    learner = student if config.student.lora is None else adapted(student, config.student.lora)
    head = head_of(learner, config.student.name or "the student", config, method)
    beside = teacher if config.store is None else None
    teacher_head = None if head is None or beside is None else head_of(beside, config.teacher, config, method)
    speaker = None if method is None or teacher is None else teacher_of(config, teacher, method, splits, teacher_head)
    sampler = None
    if config.sampling is not None:
        sampler = StudentSampler(config.sampling, splits.processor, config.data.max_length)
    task = DistillTask(
        config.task, learner, speaker, method, cross_entropy=config.cross_entropy, sampler=sampler, head=head
    )
    connect(task, splits.train)
    if method is not None and config.task == "image-classification":
        live = teacher if config.store is None else None
        held = splits.val.loader(shuffle=False) if method.learns_from_held else ()
        method.meet(networks_of(learner, live, held))
    return Ready(config, splits, beside, teacher_head, learner, task)


def load_teacher(config: DistillConfig, labels: Sequence[str]) -> PreTrainedModel:
    """The teacher, with the data's classes.

    Raises:
        LimbeckError: It cannot be loaded, or it tells other classes apart.
    """
    teacher = load_model(config.teacher, config.task)
    if labels and teacher.config.num_labels != len(labels):
        raise LimbeckError(
            f"{config.teacher}: tells {teacher.config.num_labels} classes apart, the data has {len(labels)} "
            f"({', '.join(labels[:5])}); fine-tune it on these classes first"
        )
    return teacher


def teacher_of(
    config: DistillConfig, model: PreTrainedModel, method: Method, splits: Splits, head: Head | None
) -> Teacher:
    """The live model, or the store that stands for it."""
    if config.store is not None:
        from limbeck.distill.cache import open_store

        return open_store(config.store, model, splits, method)
    if config.compile:
        (model if head is None else head.body).compile()
    return live_teacher(model, config.task, method, head)


def check_lengths(student: Any, splits: Splits) -> None:
    """Refuse sequences that are longer than the student can read, or have tokens that it does not know.

    Raises:
        LimbeckError: There is one.
    """
    most = getattr(student.config.get_text_config(), "max_position_embeddings", None)
    examples = [example for split in splits.distinct() for example in split.texts()]
    longest = max(len(example.input_ids) for example in examples)
    if most is not None and longest > most:
        raise LimbeckError(f"data.max_length: a sequence has {longest} tokens, and the student reads {most} at most")
    highest, known = max(max(example.input_ids) for example in examples), student.get_input_embeddings().num_embeddings
    if highest >= known:
        raise LimbeckError(f"tokenizer: it gives the id {highest}, and the student knows {known} tokens")


def connect(task: DistillTask, split: ExampleLoader) -> None:
    """Let the method make what depends on the models' sizes, from one small batch."""
    if task.method is None or task.teacher is None:
        return
    batch: Batch = split.collator(list(enumerate(split.examples[:2], split.first)))
    with torch.no_grad():
        task.method.connect(task.eval().speak(batch), task.teacher(batch))
    task.train()


def _check_method(method: Method, config: DistillConfig) -> None:
    """Say early what would only be missed in the midst."""
    if method.own_tokenizers and (config.task != "causal-lm" or config.store or config.sampling or config.data.pack):
        raise LimbeckError(
            f"method: {method.name!r} is for causal-lm with a live teacher, without packing and sampling"
        )
    if isinstance(config.chunk, int) and not method.positionwise:
        raise LimbeckError(f"chunk: {method.name!r} does not judge each position by itself; set it to auto or null")
    vectors = method.needs.student_hidden == (EMBEDDING,)
    if config.compile and method.needs.teacher_hidden and not vectors:
        raise LimbeckError(f"compile: {method.name!r} looks into the models, which makes each step compile anew")
    if (config.task == EMBEDDING) != vectors:
        wanted = "compares sentence vectors" if vectors else "compares logits or hidden states"
        raise LimbeckError(f"method: {method.name!r} {wanted}; the task {config.task!r} needs another")
