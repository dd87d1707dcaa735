"""Columns: those that the user names must be read and be there, and what is in them must be text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from limbeck.distill.config import TaskName
from limbeck.distill.rows import Row
from limbeck.errors import LimbeckError, near_matches

ROLES: dict[TaskName, tuple[str, ...]] = {
    "causal-lm": ("text", "prompt", "completion", "messages"),
    "seq2seq": ("source", "target"),
    "sequence-classification": ("text", "text_pair", "label"),
    "token-classification": ("tokens", "labels"),
    "embedding": ("text", "text_pair", "score"),
    "image-classification": ("image", "label"),
}
"""What a task reads of a row."""

OF_HELD = "score"
"""What is read of held-out rows alone."""


def check_roles(task: TaskName, columns: Mapping[str, str]) -> None:
    """Refuse the name of a column for what the task does not read.

    Args:
        task: Which task.
        columns: By role.

    Raises:
        LimbeckError: There is one.
    """
    for role in columns:
        if role not in ROLES[task]:
            raise LimbeckError(f"data.columns: the task {task!r} reads no {role!r}; possible: {', '.join(ROLES[task])}")


def check_columns(columns: Mapping[str, str], train: Sequence[Row], held: Sequence[Row]) -> None:
    """Refuse rows without a column that the user has named: what it may be for would be left out without a word.

    Args:
        columns: By role.
        train: Rows to learn from.
        held: Rows that are held out.

    Raises:
        LimbeckError: There is one.
    """
    for role, column in columns.items():
        for row in held if role == OF_HELD else [*train, *held]:
            if column not in row.values:
                raise LimbeckError(
                    f"{row.where}: no column {column!r} (data.columns.{role}); {near_matches(column, row.values)}"
                )


def row_text(row: Row, column: str) -> str:
    """A column of text that a tokenizer can read.

    Raises:
        LimbeckError: There is none, or it is blank or no text.
    """
    text = row.text(column)
    check_characters(text, row.where, column)
    return text


def row_tokens(row: Row, column: str) -> list[str]:
    """A column of a list of words.

    Raises:
        LimbeckError: There is none, or one of them is no text.
    """
    tokens: list[str] = row.get(column, list)
    for token in tokens:
        if not isinstance(token, str):
            raise LimbeckError(f"{row.where}: column {column!r} holds {token!r}, expected text")
        check_characters(token, row.where, column)
    return tokens


def check_characters(text: str, where: str, column: str) -> None:
    """Refuse what is no text though JSON can say it: no tokenizer reads it, and no file can hold it.

    Raises:
        LimbeckError: There is such a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LimbeckError(
            f"{where}: column {column!r}: {text[error.start]!r} at character {error.start + 1} is half a surrogate pair"
        ) from None
