"""The streams of scenes that never meet."""

from __future__ import annotations

from enum import StrEnum


class Split(StrEnum):
    """A stream of scenes.

    ``train``, ``val`` and ``test`` are alike. In ``ambiguous`` every sentence has an ambiguous word that the setting
    decides, beside a noun that names a thing of the setting and that stands beside no such word anywhere else: who
    knows from pictures where that thing is found can settle the word, who has only read must guess.

    Example:
        >>> Split.of("val").stream != Split.TRAIN.stream
        True
    """

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    AMBIGUOUS = "ambiguous"

    @property
    def stream(self) -> int:
        """The number that keeps its random draws apart from those of the others."""
        return list(Split).index(self)

    @classmethod
    def of(cls, name: str) -> Split:
        """The split of a name.

        Raises:
            ValueError: There is no such split.
        """
        try:
            return cls(name)
        except ValueError:
            raise ValueError(f"no split {name!r}: choose from {', '.join(Split)}") from None
