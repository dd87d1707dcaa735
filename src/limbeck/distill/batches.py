"""Examples as batches of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from limbeck.batch import IGNORED, Batch
from limbeck.data.batching import TokenBatchSampler, pad_ids
from limbeck.distill.config import TaskName
from limbeck.distill.examples import Example
from limbeck.distill.images import ImageExample

Item = tuple[int, Example]


class Collator:
    """Puts examples into one batch.

    The batch holds ``input_ids``, ``attention_mask`` (packed sequences have ``position_ids`` instead), ``row`` (the
    example's number) and what is right: ``targets`` with the ``mask`` of those that count, or ``labels``; and
    ``token_type_ids`` where the tokenizer gives them.

    Where the teacher has a tokenizer of its own, there are ``teacher_input_ids``, ``teacher_attention_mask`` and
    ``teacher_mask``, and of both sides ``offsets`` and ``teacher_offsets``, ``(batch, tokens, 2)``, in the rows' texts.

    Args:
        task: Which task.
        pad: The id that fills a batch up.
        pack: Whether examples may be packed ones.
        teacher_pad: The id that fills the teacher's own batch up.
    """

    def __init__(self, task: TaskName, pad: int, *, pack: bool = False, teacher_pad: int = 0) -> None:
        self.task, self.pad, self.pack, self.teacher_pad = task, pad, pack, teacher_pad

    def __call__(self, items: Sequence[Item]) -> Batch:
        """Collate numbered examples."""
        examples = [example for _, example in items]
        ids, real = pad_ids([example.input_ids for example in examples], self.pad)
        batch: dict[str, Any] = {"input_ids": ids, "row": torch.tensor([number for number, _ in items])}
        if self.pack:
            batch["position_ids"] = torch.stack([_positions(example, ids.shape[1]) for example in examples])
        else:
            batch["attention_mask"] = real.long()
        if any(example.segments for example in examples):
            batch["token_type_ids"] = pad_ids([example.segments for example in examples], 0)[0]
        if self.task == "sequence-classification":
            batch["labels"] = torch.tensor([example.targets[0] for example in examples])
        elif self.task != "embedding":
            batch["targets"] = pad_ids([example.targets for example in examples], IGNORED)[0]
            batch["mask"] = batch["targets"] != IGNORED
        if any(example.prompt for example in examples):
            batch["prompt"] = torch.tensor([example.prompt for example in examples])
        teachers = [example.teacher for example in examples if example.teacher is not None]
        if teachers:
            other, real = pad_ids([example.input_ids for example in teachers], self.teacher_pad)
            targets = pad_ids([example.targets for example in teachers], IGNORED)[0]
            batch |= {"teacher_input_ids": other, "teacher_attention_mask": real.long()}
            batch |= {"teacher_mask": targets != IGNORED, "offsets": _offsets(examples, ids.shape[1])}
            batch["teacher_offsets"] = _offsets(teachers, other.shape[1])
        return batch


class ExampleLoader:
    """Makes loaders over examples that lie in memory.

    Args:
        examples: What is loaded; all of one kind.
        collator: How batches are made of numbered examples.
        batch_size: Examples a batch.
        first: The number of the first one: a store knows rows by their numbers, those of all splits together.
        workers: Processes that make batches; 0 makes them in this one.
    """

    def __init__(
        self,
        examples: Sequence[Example] | Sequence[ImageExample],
        collator: Callable[[Sequence[Any]], Batch],
        batch_size: int,
        *,
        first: int = 0,
        workers: int = 0,
    ) -> None:
        self.examples, self.collator, self.batch_size, self.first = examples, collator, batch_size, first
        self.workers = workers

    def beginning(self, count: int) -> Batch:
        """The first examples as one batch, for what must be tried before the training."""
        return self.collator(list(enumerate(self.examples[:count], self.first)))

    def loader(self, *, seed: int = 0, shuffle: bool = True) -> DataLoader[Any]:
        """Batches of examples of like length; in each epoch in another order if shuffled."""
        lengths = [example.length for example in self.examples]
        sampler = TokenBatchSampler(
            lengths,
            max(lengths) * self.batch_size,
            seed=seed,
            shuffle=shuffle,
            pool=64 * self.batch_size,
            max_sentences=self.batch_size,
        )
        numbered = list(enumerate(self.examples, self.first))
        # A list serves as a data set: it has a length and gives items by number.
        return DataLoader(
            cast(Dataset[Any], numbered), batch_sampler=sampler, collate_fn=self.collator, num_workers=self.workers
        )

    def texts(self) -> list[Example]:
        """The examples that are made of tokens."""
        return [example for example in self.examples if isinstance(example, Example)]

    def amounts(self) -> dict[str, int]:
        """How much there is of what, as messages call it."""
        texts = self.texts()
        if not texts:
            return {"pictures": len(self.examples)}
        return {
            "sequences": len(texts),
            "tokens": sum(len(example.input_ids) for example in texts),
            "tokens to learn": sum(sum(target != IGNORED for target in example.targets) for example in texts),
        }


def _offsets(examples: Sequence[Example], width: int) -> Tensor:
    """No text where a batch is filled up."""
    return torch.tensor([[*example.offsets, *[(0, 0)] * (width - len(example.offsets))] for example in examples])


def _positions(example: Example, width: int) -> Tensor:
    """Positions that begin anew with each packed row; the filling is a row of its own."""
    ends = [*example.starts[1:], len(example.input_ids), width]
    starts = [*example.starts, len(example.input_ids)]
    parts = [torch.arange(end - start) for start, end in zip(starts, ends, strict=True)]
    return torch.cat(parts)
