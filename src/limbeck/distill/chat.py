"""Dialogues as token ids, and which of them the assistant wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.distill.columns import check_characters
from limbeck.distill.config import Data
from limbeck.distill.rows import Row
from limbeck.errors import LimbeckError

Span = tuple[int, int]


class Chat:
    """Writes dialogues by a chat template.

    Args:
        data: Column and template.
        tokenizer: Its own template is used where the data names none.

    Raises:
        LimbeckError: The template cannot be read.
    """

    def __init__(self, data: Data, tokenizer: Any) -> None:
        self.column, self.tokenizer = data.columns.get("messages", "messages"), tokenizer
        self.template = _read_template(data)
        self.used_template: str | None = None

    def __call__(self, row: Row) -> tuple[list[int], list[bool]]:
        """A dialogue's ids, and which of them the assistant wrote: what each of its turns adds to those before it.

        Raises:
            LimbeckError: A message is not what it should be, or the template does not tell whose is what.
        """
        messages = self._messages(row)
        whole = self._written(messages, row)
        encoded = self.tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
        turns = [
            self._turn(messages[: at + 1], whole, row) for at, one in enumerate(messages) if one["role"] == "assistant"
        ]
        counted = [any(_is_of(turn, span, whole) for turn in turns) for span in encoded.offset_mapping]
        return [*encoded.input_ids], counted

    def _turn(self, messages: Sequence[Mapping[str, str]], whole: str, row: Row) -> Span:
        """Begin and end, in the text of the whole dialogue, of what the last of some messages adds to it."""
        before = self._written(messages[:-1], row, add_generation_prompt=True)
        after = self._written(messages, row)
        if not whole.startswith(after):
            raise LimbeckError(
                f"{row.where}: the chat template writes earlier turns anew when more follow, so that the assistant's "
                "words cannot be told; give another with data.template"
            )
        if not after.startswith(before):
            raise LimbeckError(
                f"{row.where}: the chat template begins the assistant's turn otherwise than where it is asked for one "
                "(add_generation_prompt); give another with data.template"
            )
        return len(before), len(after)

    def _messages(self, row: Row) -> list[Mapping[str, str]]:
        messages: list[Mapping[str, str]] = row.get(self.column, list)
        for number, message in enumerate(messages, 1):
            where = f"{row.where}: column {self.column!r}, message {number}"
            if not isinstance(message, Mapping) or not {"role", "content"} <= message.keys():
                raise LimbeckError(f"{where} is {message!r:.60}, expected 'role' and 'content'")
            for key in ("role", "content"):
                if not isinstance(message[key], str):
                    raise LimbeckError(f"{where}: {key!r} is {message[key]!r:.60}, expected text")
            if message["role"] == "assistant" and not message["content"].strip():
                raise LimbeckError(f"{where}: 'content' is empty, so there is nothing to learn")
        if not any(message["role"] == "assistant" for message in messages):
            raise LimbeckError(f"{row.where}: no message of the role 'assistant', so there is nothing to learn")
        return messages

    def _written(self, messages: Sequence[Mapping[str, str]], row: Row, **how: Any) -> str:
        if not messages:
            return ""
        self.used_template = self.template or self.tokenizer.chat_template
        try:
            text: str = self.tokenizer.apply_chat_template(messages, chat_template=self.template, tokenize=False, **how)
        except Exception as error:  # templates are programs: they may raise anything
            raise LimbeckError(f"{row.where}: the chat template: {' '.join(str(error).split())}") from None
        check_characters(text, row.where, self.column)
        return text


def _is_of(turn: Span, token: Span, whole: str) -> bool:
    """Whether a token is one of a turn, also where it reaches over the turn's borders.

    One that ends in the turn is: ``" Hello"`` is the assistant's first word, though the prompt has written its space.
    One that ends behind it is unless the turn has written no more than the white space before a word: a full stop with
    the next turn's line break is, and the next turn's ``" user"`` is not.
    """
    (start, end), (first, last) = turn, token
    if last <= end:
        return start < last
    within = whole[first:end]
    return bool(within) and (not within.isspace() or whole[first:last].isspace())


def _read_template(data: Data) -> str | None:
    if data.template is None:
        return None
    if not data.template.is_file():
        raise LimbeckError(f"data.template: no such file: {data.template}")
    try:
        return data.template.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LimbeckError(f"data.template: {data.template}: not UTF-8 ({error.reason}, byte {error.start})") from None
