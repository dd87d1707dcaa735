"""What a system's options may be: told by the name that the user typed, before anything is trained."""

from __future__ import annotations

import math

from limbeck.errors import LimbeckError


def at_least(least: float, **options: float | None) -> None:
    """Refuse what is less, not finite, or no number.

    Args:
        least: What is still possible.
        options: By their names; None is an option that was left out.

    Raises:
        LimbeckError: One is refused.

    Example:
        >>> at_least(1, steps=0)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: --steps: got 0, expected at least 1
    """
    for name, value in options.items():
        if value is not None and not least <= value < math.inf:
            raise _wrong(name, value, f"at least {least}")


def more_than(bound: float, *, at_most: float = math.inf, **options: float | None) -> None:
    """Refuse what is not more than a bound, more than another, not finite, or no number.

    Args:
        bound: What is not possible any more.
        at_most: What is still possible.
        options: As in :func:`at_least`.

    Raises:
        LimbeckError: One is refused.

    Example:
        >>> more_than(0, at_most=1, keep=1.5)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: --keep: got 1.5, expected more than 0 and at most 1
    """
    for name, value in options.items():
        if value is not None and not (bound < value <= at_most and value < math.inf):
            raise _wrong(name, value, f"more than {bound}" + (f" and at most {at_most}" if at_most < math.inf else ""))


def between(least: float, most: float, **options: float | None) -> None:
    """Refuse what is outside two bounds, which are possible themselves, or no number.

    Args:
        least: The lower bound.
        most: The upper bound.
        options: As in :func:`at_least`.

    Raises:
        LimbeckError: One is refused.

    Example:
        >>> between(0, 1, own_share=float("nan"))
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: --own-share: got nan, expected 0 to 1
    """
    for name, value in options.items():
        if value is not None and not least <= value <= most:
            raise _wrong(name, value, f"{least} to {most}")


def _wrong(name: str, value: float, wanted: str) -> LimbeckError:
    finite = "a finite number, " if value == math.inf else ""
    return LimbeckError(f"--{name.replace('_', '-')}: got {value}, expected {finite}{wanted}")
