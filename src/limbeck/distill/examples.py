"""Rows as token ids and what is to be predicted at each of them, for every task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from limbeck.batch import IGNORED
from limbeck.distill.chat import Chat
from limbeck.distill.classes import as_class, numbers_of, row_label, row_labels
from limbeck.distill.columns import read_form, row_text, row_tokens
from limbeck.distill.config import Data, TaskName
from limbeck.distill.rows import Row
from limbeck.errors import LimbeckError

_NO_TEXT = (0, 0)


@dataclass(frozen=True)
class Example:
    """One sequence.

    Args:
        input_ids: What the model reads.
        targets: What is right: at each position of a causal-lm (the next token) or a token-classification; the
            target's ids of a seq2seq; one class of a sequence-classification; nothing of an embedding.
        prompt: causal-lm: how many of the ids are given, and not to be learnt.
        starts: Where each of several packed rows begins.
        offsets: Begin and end of each token in the row's text, in characters; where wished.
        teacher: The same row by the teacher's own tokenizer.
        segments: Of which of two texts each id is (``token_type_ids``); where the tokenizer tells.
    """

    input_ids: list[int]
    targets: list[int]
    prompt: int = 0
    starts: tuple[int, ...] = (0,)
    offsets: tuple[tuple[int, int], ...] = ()
    teacher: Example | None = None
    segments: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """By which batches are filled: tokens of the longer side."""
        return max(len(self.input_ids), len(self.targets), 1)


def next_tokens(ids: Sequence[int], *, prompt: int = 0, offsets: Sequence[tuple[int, int]] = ()) -> Example:
    """One sequence, of which every token after the first is learnt, or every token after the prompt.

    Args:
        ids: From start to end.
        prompt: How many of them are given, and not to be learnt.
        offsets: Of each token in the text, if they are needed.

    Example:
        >>> next_tokens([1, 7, 8, 2]).targets, next_tokens([1, 7, 8, 2], prompt=3).targets
        ([7, 8, 2, -100], [-100, -100, 2, -100])
    """
    targets = _shifted(ids, [at >= prompt for at in range(len(ids))])
    return Example(list(ids), targets, prompt=prompt, offsets=tuple(offsets))


class Encoder:
    """From rows to examples.

    Args:
        task: Which task.
        data: Columns, lengths and template.
        tokenizer: Of teacher and student.
        labels: The classes' names in order, for classification; rows may hold names or numbers.
    """

    def __init__(self, task: TaskName, data: Data, tokenizer: Any, labels: Sequence[str] = ()) -> None:
        self.data, self.tokenizer, self.classes = data, tokenizer, numbers_of(labels)
        self.chat = Chat(data, tokenizer)
        ways: dict[TaskName, Callable[[Row], list[Example]]] = {
            "causal-lm": self._causal,
            "seq2seq": self._pair,
            "sequence-classification": self._class,
            "token-classification": self._tokens,
            "embedding": self._texts,
        }
        self.encode = ways[task]

    def __call__(self, rows: Sequence[Row]) -> list[Example]:
        """Encode all rows.

        Raises:
            LimbeckError: A row lacks a column, holds something else than it should, or is too long.
        """
        return [example for row in rows for example in self.encode(row)]

    def column(self, role: str) -> str:
        """The name of a column."""
        return self.data.columns.get(role, role)

    def _read(self, row: Row, role: str) -> str:
        return row_text(row, self.column(role))

    def _causal(self, row: Row) -> list[Example]:
        form = read_form(row, self.data.columns)
        if form == "text":
            return [self._text(row)]
        if form == "prompt":
            return [self._completion(row)]
        ids, counted = self.chat(row)
        ids, counted = self._fit(ids, row), counted[: self.data.max_length]
        return [Example(ids, self._learnt(_shifted(ids, counted), row))]

    def _text(self, row: Row) -> Example:
        encoded = self.tokenizer(self._read(row, "text"), return_offsets_mapping=True)
        ids, offsets = [*encoded.input_ids], [*encoded.offset_mapping]
        if self.tokenizer.eos_token_id is not None and ids[-1:] != [self.tokenizer.eos_token_id]:
            ids.append(self.tokenizer.eos_token_id)
            offsets.append(_NO_TEXT)
        ids = self._fit(ids, row)
        example = next_tokens(ids, offsets=offsets[: len(ids)])
        self._learnt(example.targets, row)
        return example

    def _learnt(self, targets: list[int], row: Row) -> list[int]:
        if all(target == IGNORED for target in targets):
            raise LimbeckError(f"{row.where}: nothing to learn within {self.data.max_length} tokens (data.max_length)")
        return targets

    def _completion(self, row: Row) -> Example:
        # Apart, so that the border between the two is one between tokens.
        text = self._read(row, "prompt")
        before = self.tokenizer(text, return_offsets_mapping=True)
        prompt = [*zip(before.input_ids, before.offset_mapping, strict=True)]
        end = self.tokenizer.eos_token_id
        if prompt and prompt[-1][0] == end:
            prompt.pop()
        after = self.tokenizer(self._read(row, "completion"), add_special_tokens=False, return_offsets_mapping=True)
        spans = [(first + len(text), last + len(text)) for first, last in after.offset_mapping]
        completion = [*zip(after.input_ids, spans, strict=True), *([] if end is None else [(end, _NO_TEXT)])]
        over = len(prompt) + len(completion) - self.data.max_length
        if over > 0:
            self._refuse_long(len(prompt) + len(completion), row)
            # The end of a prompt is nearest to what is asked; at least one token of it stays.
            prompt = prompt[min(over, len(prompt) - 1) :]
            completion = completion[: self.data.max_length - len(prompt)]
        ids, offsets = zip(*prompt, *completion, strict=True)
        return next_tokens(ids, prompt=len(prompt), offsets=offsets)

    def _pair(self, row: Row) -> list[Example]:
        source = self._encoded(row, self._read(row, "source"))
        target = self._encoded(row, text_target=self._read(row, "target"))
        return [Example([*source.input_ids], [*target.input_ids])]

    def _class(self, row: Row) -> list[Example]:
        second = (self._read(row, "text_pair"),) if self.column("text_pair") in row.values else ()
        column = self.column("label")
        label = as_class(row_label(row, column), self.classes, row.where, column)
        return [self._marked((self._read(row, "text"), *second), [label], row)]

    def _tokens(self, row: Row) -> list[Example]:
        tokens, labels = row_tokens(row, self.column("tokens")), row_labels(row, self.column("labels"))
        if len(tokens) != len(labels):
            raise LimbeckError(f"{row.where}: {len(tokens)} tokens and {len(labels)} labels; each token needs one")
        cut = {"truncation": True, "max_length": self.data.max_length} if self.data.long == "cut" else {}
        encoded = self.tokenizer(tokens, is_split_into_words=True, **cut)
        words = encoded.word_ids()
        # A word of several pieces is judged by its first.
        first = [word is not None and word not in words[:at] for at, word in enumerate(words)]
        targets = [
            self._token_class(labels[word], row) if is_first else IGNORED
            for word, is_first in zip(words, first, strict=True)
        ]
        return [Example(self._fit(encoded.input_ids, row), targets, segments=_segments(encoded))]

    def _token_class(self, label: str | int, row: Row) -> int:
        unknown = str(label) == str(IGNORED)  # as data sets mark a token that has no class
        return IGNORED if unknown else as_class(label, self.classes, row.where, self.column("labels"))

    def _texts(self, row: Row) -> list[Example]:
        roles = ["text", *(["text_pair"] if self.column("text_pair") in row.values else [])]
        given = [self._read(row, role) for role in roles]
        return [self._marked((text,), [], row) for text in given]

    def _fit(self, ids: list[int], row: Row) -> list[int]:
        if len(ids) > self.data.max_length:
            self._refuse_long(len(ids), row)
        return ids[: self.data.max_length]

    def _marked(self, texts: tuple[str, ...], targets: list[int], row: Row) -> Example:
        encoded = self._encoded(row, *texts)
        return Example([*encoded.input_ids], targets, segments=_segments(encoded))

    def _encoded(self, row: Row, *texts: str, **target: str) -> Any:
        """Cut by the tokenizer, which keeps the marks at the ends where they belong."""
        encoded = self.tokenizer(*texts, **target)
        if len(encoded.input_ids) > self.data.max_length:
            self._refuse_long(len(encoded.input_ids), row)
            encoded = self.tokenizer(*texts, **target, truncation=True, max_length=self.data.max_length)
        return encoded

    def _refuse_long(self, length: int, row: Row) -> None:
        if self.data.long == "error":
            most = self.data.max_length
            raise LimbeckError(f"{row.where}: {length} tokens, and data.max_length is {most}; data.long: cut cuts them")


def with_teacher(ours: Sequence[Example], theirs: Sequence[Example], rows: Sequence[Row]) -> list[Example]:
    """Put beside each example what the teacher's own tokenizer makes of the same row.

    Raises:
        LimbeckError: Offsets in the text are not known, as with dialogues.
    """
    for example, row in zip(ours, rows, strict=True):
        if not example.offsets:
            raise LimbeckError(f"{row.where}: two tokenizers are aligned over 'text', or 'prompt' and 'completion'")
    return [replace(mine, teacher=other) for mine, other in zip(ours, theirs, strict=True)]


def _segments(encoded: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(encoded.get("token_type_ids", ()))


def packed(examples: Sequence[Example], max_length: int) -> list[Example]:
    """Put several examples into one, in their order, as long as they fit.

    Example:
        >>> one = Example([1, 2], [2, IGNORED])
        >>> both = packed([one, one], max_length=5)
        >>> both[0].input_ids, both[0].starts
        ([1, 2, 1, 2], (0, 2))
    """
    bins: list[list[Example]] = []
    room = 0
    for example in examples:
        if len(example.input_ids) > room:
            bins.append([])
            room = max_length
        bins[-1].append(example)
        room -= len(example.input_ids)
    return [_joined(group) for group in bins]


def _joined(group: Sequence[Example]) -> Example:
    starts = [0]
    for example in group[:-1]:
        starts.append(starts[-1] + len(example.input_ids))
    ids = [token for example in group for token in example.input_ids]
    return Example(ids, [target for example in group for target in example.targets], starts=tuple(starts))


def _shifted(ids: Sequence[int], counted: Sequence[bool]) -> list[int]:
    """At each position the token after it, where that one counts."""
    following = zip(ids[1:], counted[1:], strict=True)
    return [*(token if counts else IGNORED for token, counts in following), IGNORED]
