"""Classes: their names in the order of the model that tells them apart, and their numbers as rows hold them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from limbeck.batch import IGNORED
from limbeck.distill.columns import check_characters
from limbeck.distill.rows import Row
from limbeck.errors import LimbeckError, near_matches

MOST = 1_000_000
"""A class of a higher number is a mistake."""


def class_names(
    rows: Sequence[Row], column: str, *, lists: bool, config: Any = None, model: str = "the model", taught: bool = False
) -> list[str]:
    """The classes in order: the model's own where the data speaks of them, else numbers by size, names by alphabet.

    Args:
        rows: Of which each holds a class, or a list of them.
        column: In which.
        lists: Whether it holds lists.
        config: Of the model that tells the classes apart; what names it has there are its own, and numbers in the rows
            count along them. ``LABEL_0`` and so on are names only where a row has one of them.
        model: Its name, for messages.
        taught: Whether the model teaches; one that learns gets a new head for another number of classes.

    Raises:
        LimbeckError: A row holds no class, or classes that the model does not know.
    """
    found = _found(rows, column, lists=lists)
    own = own_names(config, found)
    known = numbers_of(own)
    numbers = all(map(is_number, found))
    highest = max(found, key=int) if numbers else ""
    if own and all(_number(name, known) is not None for name in found):
        if taught or not numbers or found.keys() <= set(own) or int(highest) + 1 == len(own):
            return own
    elif own and (taught or len(own) == len(found)):
        unknown = next(name for name in found if _number(name, known) is None)
        raise LimbeckError(
            f"{found[unknown]}: column {column!r}: no class {unknown!r}; those of the data are "
            f"{_listed(sorted(found))}, those of {model} {_listed(own)}: call them as the model does, or number them "
            "in its order"
        )
    if not numbers:
        return sorted(found)
    least = int(highest) + 1
    return [str(number) for number in range(max(least, config.num_labels) if taught and config is not None else least)]


def own_names(config: Any, found: Collection[str] = ()) -> list[str]:
    """A model's names of its classes in order; none where they are only numbered.

    Args:
        config: The model's.
        found: What rows call classes. ``LABEL_0`` and so on, which `transformers` gives where nobody does, are names
            to whoever writes them: as those that a model's `pipeline` has labelled.
    """
    given = {int(at): str(name) for at, name in (getattr(config, "id2label", None) or {}).items()}
    names = [given.get(at, "") for at in range(len(given))]
    written = {name.casefold() for name in found}
    default = all(name == f"LABEL_{at}" and name.casefold() not in written for at, name in enumerate(names))
    return [] if default or "" in names else names


def numbers_of(names: Sequence[str]) -> dict[str, int]:
    """The number of each class by all that a row may call it: its name, in any case, or the number itself.

    Example:
        >>> numbers_of(["NO", "YES"])
        {'NO': 0, 'YES': 1, 'no': 0, 'yes': 1, '0': 0, '1': 1}
    """
    numbers: dict[str, int] = {}
    for at, name in enumerate(names):
        numbers.setdefault(name, at)
    folded = [name.casefold() for name in names]
    if len({*folded}) == len(numbers):
        for at, name in enumerate(folded):
            numbers.setdefault(name, at)
    # Where a class is called "2", that is what a 2 in a row means.
    if not any(map(is_number, names)):
        numbers |= {str(at): at for at in range(len(names))}
    return numbers


def as_class(label: Any, numbers: Mapping[str, int], where: str, column: str) -> int:
    """The number of a class, which a row holds by name or number.

    Args:
        label: What the row holds.
        numbers: Of :func:`numbers_of`.
        where: The row's place, for the message.
        column: The row's column, for the message.

    Raises:
        LimbeckError: There is no such class.
    """
    number = _number(str(label), numbers)
    if number is None:
        raise LimbeckError(f"{where}: no class {label!r} in column {column!r}; {near_matches(str(label), numbers)}")
    return number


def is_number(name: str) -> bool:
    """Whether a class is called by a number in the digits 0 to 9."""
    return name.isascii() and name.isdecimal()


def row_label(row: Row, column: str) -> str | int:
    """The label of a row.

    Raises:
        LimbeckError: There is none, or it is blank, or neither name nor number.
    """
    label: str | int = row.get(column, (str, int))
    return row.text(column) if isinstance(label, str) else label


def row_labels(row: Row, column: str) -> list[str | int]:
    """The labels of a row's tokens.

    Raises:
        LimbeckError: There are none, or one is blank, or neither name nor number.
    """
    labels: list[str | int] = row.get(column, list)
    if not labels:
        raise LimbeckError(f"{row.where}: column {column!r} is empty")
    for label in labels:
        if not isinstance(label, str | int) or isinstance(label, bool) or not str(label).strip():
            raise LimbeckError(f"{row.where}: column {column!r} holds {label!r}, expected a name or a whole number")
    return labels


def _found(rows: Sequence[Row], column: str, *, lists: bool) -> dict[str, str]:
    """What classes are called, each with the place of the first."""
    found: dict[str, str] = {}
    for row in rows:
        for label in row_labels(row, column) if lists else [row_label(row, column)]:
            found.setdefault(str(label), row.where)
    if lists:
        found.pop(str(IGNORED), None)
    if not found:
        raise LimbeckError(f"{rows[0].where}: column {column!r}: here and in all other rows every label is {IGNORED}")
    for name, where in found.items():
        check_characters(name, where, column)
        if is_number(name) and (len(name.lstrip("0")) > len(str(MOST)) or int(name) > MOST):
            raise LimbeckError(f"{where}: column {column!r}: the class {name[:20]} is too high a number")
    return found


def _number(name: str, numbers: Mapping[str, int]) -> int | None:
    plain = (name.lstrip("0") or "0") if is_number(name) else name.casefold()
    return numbers.get(name, numbers.get(plain))


def _listed(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
