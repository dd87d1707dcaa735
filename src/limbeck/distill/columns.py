"""Columns: those that the user names must be read and be there, and what is in them must be text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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

FORMS = (("text",), ("prompt", "completion"), ("messages",))
"""What a causal-lm reads of a row: one of these."""

OF_HELD = "score"
"""What is read of held-out rows alone."""


def check_roles(task: TaskName, columns: Mapping[str, str]) -> None:
    """Refuse the name of a column for what the task does not read, or for more than it reads of one row.

    Args:
        task: Which task.
        columns: By role.

    Raises:
        LimbeckError: There is one.
    """
    for role in columns:
        if role not in ROLES[task]:
            raise LimbeckError(f"data.columns: the task {task!r} reads no {role!r}; possible: {', '.join(ROLES[task])}")
    if task == "causal-lm" and len(_forms(columns)) > 1:
        possible = ", or ".join(" and ".join(form) for form in FORMS)
        raise LimbeckError(f"data.columns: got {', '.join(columns)}; the task {task!r} learns from {possible}")


def read_form(row: Row, columns: Mapping[str, str]) -> str:
    """What a causal-lm reads of a row: what the user has named, else what there is.

    Args:
        row: Which row.
        columns: By role, as the user has named them.

    Returns:
        The first of the form's roles.

    Raises:
        LimbeckError: Nothing is named, and there are columns of several forms.
    """
    forms = _forms(columns or row.values)
    if len(forms) > 1:
        there = ", ".join(repr(role) for form in forms for role in form if role in row.values)
        ways = " or ".join(f"{{{form[0]}: {form[0]}}}" for form in forms)
        raise LimbeckError(f"{row.where}: {there} are not all learnt from; choose with data.columns: {ways}")
    return forms[0][0] if forms else FORMS[0][0]


def _forms(names: Collection[str]) -> list[tuple[str, ...]]:
    # Of a form that is not whole, too: what is missing may be misspelt, and something else would be learnt.
    return [form for form in FORMS if any(role in names for role in form)]


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
