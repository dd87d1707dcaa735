"""What is trained: a student against its teacher's signals and the data's own labels."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Literal

import torch
from torch import Tensor, nn

from limbeck.batch import IGNORED, Batch
from limbeck.distill.config import TaskName
from limbeck.distill.sampling import WRITTEN, StudentSampler
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.divergence import forward_kl
from limbeck.losses.linear_terms import linear_terms
from limbeck.losses.term import Term
from limbeck.methods.base import Method
from limbeck.methods.terms import joint_weights
from limbeck.models.adaptors import without_adaptors
from limbeck.models.heads import Head
from limbeck.signals import LinearLogits, Signals, SparseLogits, tap
from limbeck.teachers.base import Teacher
from limbeck.teachers.live import LiveTeacher
from limbeck.training.task import Task

EMBEDDING: Literal["embedding"] = "embedding"
"""The task of sentence vectors, and such a vector's name among the hidden states."""


OF_WHOLE: tuple[TaskName, ...] = ("sequence-classification", "image-classification", "embedding")
"""Tasks with one answer for a whole example, so that no mask says which positions count."""

MEASURED = ("accuracy", "kl", "agreement")
"""What is reported of held-out data beside the terms."""

INPUTS = ("input_ids", "attention_mask", "position_ids", "pixel_values")
"""Columns of a batch that every model is called with."""

SEGMENTS = "token_type_ids"
"""A column that only those are called with that tell two texts apart."""


def model_inputs(model: Any, task: TaskName, batch: Batch) -> dict[str, Any]:
    """What a model of a task is called with."""
    inputs = {name: batch[name] for name in INPUTS if name in batch}
    if SEGMENTS in batch and takes_segments(model):
        inputs[SEGMENTS] = batch[SEGMENTS]
    if task == "seq2seq":
        inputs["decoder_input_ids"] = decoder_inputs(model, batch["targets"])
    if task == "causal-lm":
        inputs["use_cache"] = False
    return inputs


def takes_segments(model: Any) -> bool:
    """Whether a model of `transformers`, perhaps under adaptors, tells the two texts of a pair apart by their ids."""
    bare = without_adaptors(model)
    # RoBERTa and its like take the ids, and know of one segment alone.
    kinds = getattr(bare.config, "type_vocab_size", None)
    return SEGMENTS in inspect.signature(type(bare).forward).parameters and (kinds is None or kinds > 1)


def _own_inputs(model: Any, task: TaskName, batch: Batch) -> dict[str, Any]:
    """The same text by the teacher's own tokenizer."""
    own = {name.removeprefix("teacher_"): value for name, value in batch.items() if name.startswith("teacher_")}
    return model_inputs(model, task, own)


def decoder_inputs(model: Any, targets: Tensor) -> Tensor:
    """What a decoder reads that shall say the targets.

    By the model's own rule where it has one: mBART, for instance, begins with the language's token, not with one start.

    Args:
        model: Of `transformers`, perhaps under adaptors.
        targets: ``(batch, tokens)``, :data:`~limbeck.batch.IGNORED` at padding.
    """
    own = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    if own is not None:
        made: Tensor = own(labels=targets)
        return made
    config = model.config
    start = config.pad_token_id if config.decoder_start_token_id is None else config.decoder_start_token_id
    shifted = torch.cat([targets.new_full((len(targets), 1), start), targets[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == IGNORED, config.pad_token_id)


def mean_pooled(states: Tensor, mask: Tensor) -> Tensor:
    """The mean of the states that count.

    Args:
        states: ``(batch, tokens, width)``.
        mask: ``(batch, tokens)``, nonzero where a token counts.
    """
    counts = mask.to(states.dtype).unsqueeze(-1)
    return (states * counts).sum(1) / counts.sum(1).clamp(min=1)


def live_teacher(model: Any, task: TaskName, method: Method, head: Head | None = None) -> Teacher:
    """A model that teaches beside its student; with a head, by hidden states that are not projected yet."""
    inputs = functools.partial(_own_inputs if method.own_tokenizers else model_inputs, model, task)
    teacher = LiveTeacher(
        model,
        inputs,
        method.needs.teacher_hidden if task != EMBEDDING else (),
        call=head,
        logits=(lambda output: output.last_hidden_state) if task == EMBEDDING else None,
        mask=None if task in OF_WHOLE or method.own_tokenizers else "mask",
    )
    return _Pooling(teacher) if task == EMBEDDING else teacher


class _Pooling(nn.Module):
    """A teacher of sentence vectors."""

    def __init__(self, teacher: LiveTeacher) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, batch: Batch) -> Signals:
        states = self.teacher(batch).logits
        return Signals(hidden={EMBEDDING: mean_pooled(states, batch["attention_mask"])})


class DistillTask(Task):
    """A student, its teacher and a method.

    In eval mode it tells besides how well the student follows the teacher (``kl``, ``agreement``) and the data
    (``cross_entropy``, ``accuracy``), whatever it is trained on.

    Args:
        name: The task.
        student: Learns.
        teacher: Teaches; None leaves the data's labels alone.
        method: Compares the two; None likewise.
        cross_entropy: Weight of the labels.
        sampler: Lets the student write some of the batches.
        head: Of a causal-lm student whose logits shall be made a chunk of positions at a time; the method, if any, is
            positionwise.

    Raises:
        LimbeckError: The method has a term of the same name as one of the task's.
    """

    def __init__(
        self,
        name: TaskName,
        student: nn.Module,
        teacher: Teacher | None,
        method: Method | None,
        *,
        cross_entropy: float = 0.0,
        sampler: StudentSampler | None = None,
        head: Head | None = None,
    ) -> None:
        own = {"cross_entropy": cross_entropy, **dict.fromkeys(MEASURED, 0.0)}
        super().__init__(joint_weights([] if method is None else [method], own))
        self.name = name
        self.student, self.teacher, self.method, self.sampler = student, teacher, method, sampler
        self.head = head

    def forward(self, batch: Batch) -> dict[str, Term]:
        """The method's terms, and the cross-entropy where it is weighed or this is an evaluation."""
        return self.judge(batch)[1]

    def draw(self, batch: Batch) -> Batch:
        """The batch, or one that the student wrote."""
        return batch if self.sampler is None else self.sampler(batch, self.student)

    def counts(self, batch: Batch) -> dict[str, Tensor]:
        """Positions that count, where all terms count positions; else what the forward pass says."""
        if self.head is None:
            return super().counts(batch)
        return dict.fromkeys(self.weights, batch["mask"].sum().float())

    def judge(self, batch: Batch) -> tuple[Signals, dict[str, Term]]:
        """What the student says of a batch, and the terms that follow from it."""
        ours = self.speak(batch)
        theirs = self.teacher(batch) if self.teacher is not None else None
        return ours, self._in_chunks(ours, theirs, batch) if self.head is not None else self._terms(ours, theirs, batch)

    def _in_chunks(self, ours: Signals, theirs: Signals | None, batch: Batch) -> dict[str, Term]:
        """The same terms, without the logits of all positions."""
        assert isinstance(ours.logits, LinearLogits)
        said = [] if theirs is None or theirs.logits is None else [theirs.logits]

        own = {WRITTEN: batch[WRITTEN]} if WRITTEN in batch else {}

        def of_chunk(logits: Tensor, targets: Tensor, *teacher: Tensor | SparseLogits) -> dict[str, Term]:
            taught = Signals(logits=teacher[0]) if teacher else None
            return self._terms(Signals(logits=logits), taught, {"targets": targets, **own})

        return linear_terms(
            ours.logits, of_chunk, right_answers(batch), *said, weights=self.weights, mask=batch["mask"]
        )

    def _terms(self, ours: Signals, theirs: Signals | None, batch: Batch) -> dict[str, Term]:
        terms: dict[str, Term] = {}
        if self.method is not None and theirs is not None:
            terms |= self.method(ours, theirs, batch)
        if "cross_entropy" in self.weights or (not self.training and self.name != EMBEDDING):
            assert isinstance(ours.logits, Tensor)
            term = cross_entropy(ours.logits, right_answers(batch))
            # The student's own words are no labels; they count as positions, so that all terms count alike.
            terms["cross_entropy"] = term if WRITTEN not in batch else Term(torch.zeros_like(term.total), term.count)
        return terms if self.training else terms | _measured(ours, theirs, batch)

    def speak(self, batch: Batch) -> Signals:
        """What the student says of a batch."""
        if self.head is not None:
            return Signals(logits=self.head(**model_inputs(self.student, self.name, batch)), mask=batch["mask"])
        wanted = () if self.method is None or self.name == EMBEDDING else self.method.needs.student_hidden
        with tap(without_adaptors(self.student), wanted) as hidden:
            output = self.student(**model_inputs(self.student, self.name, batch))
        if self.name == EMBEDDING:
            vector = mean_pooled(output.last_hidden_state, batch["attention_mask"])
            return Signals(hidden={EMBEDDING: vector})
        return Signals(logits=output.logits, hidden=hidden, mask=batch.get("mask"))


def right_answers(batch: Batch) -> Tensor:
    """The right classes, of whole examples or of positions."""
    targets: Tensor = batch["labels"] if "labels" in batch else batch["targets"]
    return targets


@torch.no_grad()
def _measured(ours: Signals, theirs: Signals | None, batch: Batch) -> dict[str, Term]:
    """What is reported of held-out data."""
    if not isinstance(ours.logits, Tensor):
        return {}
    best, targets = ours.logits.argmax(-1), right_answers(batch)
    counts = targets != IGNORED
    found = {"accuracy": Term.over((best == targets).float(), counts)}
    if theirs is not None and theirs.logits is not None and "teacher_input_ids" not in batch:
        assert not isinstance(theirs.logits, LinearLogits)
        if isinstance(theirs.logits, Tensor) or not theirs.logits.sampled:  # of drawn classes it says nothing
            found["kl"] = forward_kl(ours.logits, theirs.logits, mask=ours.mask)
        found["agreement"] = Term.over((best == _likeliest(theirs.logits)).float(), counts)
    return found


def _likeliest(logits: Tensor | SparseLogits) -> Tensor:
    if isinstance(logits, Tensor):
        return logits.argmax(-1)
    return logits.ids.gather(-1, logits.log_probs.argmax(-1, keepdim=True)).squeeze(-1)
