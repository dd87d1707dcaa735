"""Columns that the user names must be read, and be there."""

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
