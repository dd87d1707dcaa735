"""Everything that a distillation needs, made from its settings: data first, since it fails soonest."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from limbeck.distill.batches import ExampleLoader
from limbeck.distill.checks import check_method, check_prompts
from limbeck.distill.config import DistillConfig
from limbeck.distill.images import networks_of
from limbeck.distill.lengths import check_lengths
from limbeck.distill.models import (
    adapted,
    check_causal,
    check_vocabularies,
    fill_alike,
    head_of,
    load_model,
    make_student,
    name_classes,
    with_changes_told,
)
from limbeck.distill.packs import check_packs
from limbeck.distill.sampling import StudentSampler
from limbeck.distill.splits import Splits, read_splits
from limbeck.distill.task import DistillTask, live_teacher, model_inputs
from limbeck.errors import LimbeckError
from limbeck.methods.base import Method
from limbeck.methods.find import make_method
from limbeck.models.heads import Head
from limbeck.teachers.base import Teacher
from limbeck.training.seed import set_seed


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


def prepare(config: DistillConfig) -> Ready:
    """Read the data, load the models, and connect the method.

    Raises:
        LimbeckError: A part cannot be had, or the parts do not go together.
    """
    method = None if config.method is None else make_method(config.method)
    if method is not None:
        check_method(method, config)
    own_tokenizers = method is not None and method.own_tokenizers
    splits = read_splits(config, own_tokenizers=own_tokenizers)
    check_prompts(config, splits)
    set_seed(config.plan.seed)
    # Also where a store stands for it: the store must be this teacher's, and the student may be made from it.
    teacher = None if method is None else load_teacher(config, splits)
    # Its own seed: new weights shall not depend on whether the teacher is live or stored.
    set_seed(config.plan.seed)
    student, new = make_student(config.student, teacher, config, len(splits.labels))
    name_classes(student, splits.labels)
    if config.task == "sequence-classification":
        fill_alike(student, splits.processor)
    if teacher is not None and not own_tokenizers:
        check_vocabularies(teacher, student, config.task)
    check_lengths(student, "the student", splits.texts())
    if teacher is not None:
        check_lengths(teacher, "the teacher", splits.texts(), own=own_tokenizers)
    try_out(student, config, splits.train)
    if config.task == "causal-lm":
        named = [(config.student.name or "the student", student), (config.teacher, teacher)]
        for name, model in ((name, model) for name, model in named if model is not None):
            check_causal(model, name)
            if config.data.pack:
                check_packs(model, name)
    if config.gradient_checkpointing:
        student.gradient_checkpointing_enable()
    learner = student if config.student.lora is None else adapted(student, config.student.lora, new)
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


def load_teacher(config: DistillConfig, splits: Splits) -> PreTrainedModel:
    """The teacher, with the data's classes, and ready for its batches.

    Raises:
        LimbeckError: It cannot be loaded, or it tells other classes apart.
    """
    teacher, labels = load_model(config.teacher, config.task), splits.labels
    if labels and teacher.config.num_labels != len(labels):
        raise LimbeckError(
            f"{config.teacher}: tells {teacher.config.num_labels} classes apart, the data has {len(labels)} "
            f"({', '.join(labels[:5])}); fine-tune it on these classes first"
        )
    if config.task == "sequence-classification":
        fill_alike(teacher, splits.processor)
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


def try_out(student: PreTrainedModel, config: DistillConfig, split: ExampleLoader) -> None:
    """Call a student on one example where its configuration was changed by hand.

    Raises:
        LimbeckError: It does not run.
    """
    if config.student.config is None:
        return
    batch = split.beginning(1)
    was_training = student.training
    with torch.no_grad():
        with_changes_told(config.student, lambda: student.eval()(**model_inputs(student, config.task, batch)))
    with tempfile.TemporaryDirectory() as folder:  # as it will be saved, when all is done
        with_changes_told(config.student, lambda: student.config.save_pretrained(folder))
    student.train(was_training)


def connect(task: DistillTask, split: ExampleLoader) -> None:
    """Let the method make what depends on the models' sizes, from one small batch."""
    if task.method is None or task.teacher is None:
        return
    batch = split.beginning(2)
    with torch.no_grad():
        task.method.connect(task.eval().speak(batch), task.teacher(batch))
    task.train()
