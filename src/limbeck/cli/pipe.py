"""Lines of a pipe, and whether more of them are on their way."""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Iterator

CHUNK = 1 << 16


class PipeLines:
    r"""The lines of a descriptor, one at a time, without their ``\n``.

    Python's own readers block until a line is there; whoever must answer a slow writer needs to know when to wait no
    longer.

    Args:
        descriptor: Of a pipe, a terminal or a file.
        patience: Seconds without anything to read that make a pause.

    Example:
        >>> reading, writing = os.pipe()
        >>> lines = PipeLines(reading)
        >>> os.write(writing, b"one\ntwo\nthr")
        11
        >>> next(lines), lines.pausing(), next(lines), lines.pausing()
        (b'one', False, b'two', True)
        >>> os.close(writing)
        >>> list(lines)
        [b'thr']
    """

    def __init__(self, descriptor: int, patience: float = 0.05) -> None:
        self.descriptor, self.patience = descriptor, patience
        self._lines: deque[bytes] = deque()
        self._begun: list[bytes] = []
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._lines and not self._ended:
            self._read()
        if not self._lines:
            raise StopIteration
        return self._lines.popleft()

    def pausing(self) -> bool:
        """Whether the writer makes a pause: no line is left, and nothing comes in time."""
        if self._lines or self._ended:
            return False
        return not select.select([self.descriptor], [], [], self.patience)[0]

    def _read(self) -> None:
        part = os.read(self.descriptor, CHUNK)
        first, *others = part.split(b"\n")
        self._begun.append(first)
        self._ended = not part
        if others or (self._ended and any(self._begun)):
            self._lines.append(b"".join(self._begun))
            self._lines.extend(others[:-1])
            self._begun = others[-1:]
