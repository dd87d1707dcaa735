"""What goes wrong by a user's hand or in a run, told in one clear line."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class LimbeckError(Exception):
    """A mistake that the user can put right: what was got, what is possible, and where.

    The command line prints the message without a traceback and exits with ``exit_code``.

    Example:
        >>> str(LimbeckError("config.yaml, line 3: no method 'takd'; did you mean 'taid'?"))
        "config.yaml, line 3: no method 'takd'; did you mean 'taid'?"
    """

    exit_code = 2


class TrainingError(LimbeckError):
    """A run that cannot go on: a loss that is not finite, a task whose terms contradict its weights."""

    exit_code = 1


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell a failure to write safetensors as what it is, an ``OSError``: they have an exception of their own for it.

    Args:
        path: What is written, for the message.

    Raises:
        OSError: The file could not be written, as on a full disk.
    """
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        reason = str(error).removeprefix("Error while serializing: ").removeprefix("I/O error: ")
        raise OSError(errno.EIO, f"cannot be written: {reason}", str(path)) from None


def near_matches(name: str, possible: Iterable[str], *, most: int = 5) -> str:
    """The end of an error message: the names most like the wrong one, or all where none is like it.

    Args:
        name: What was got.
        possible: What there is.
        most: How many names to list at most.

    Example:
        >>> near_matches("encoder.layers.9", ["encoder.layers.0", "decoder"])
        "did you mean 'encoder.layers.0'?"
        >>> near_matches("x", ["alpha", "beta"])
        "possible: 'alpha', 'beta'"
    """
    names = list(possible)
    near = difflib.get_close_matches(name, names, n=most)
    if near:
        return f"did you mean {' or '.join(repr(match) for match in near)}?"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"possible: {', '.join(repr(match) for match in names[:most])}{more}" if names else "there are none"
