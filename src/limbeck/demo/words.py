"""Which words of two translations differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CHANGED = "changed"

Marked = list[tuple[str, str | None]]
"""Text in pieces, each with its mark, as Gradio's `HighlightedText` takes it."""


def mark_changes(one: str, other: str) -> tuple[Marked, Marked]:
    """Both texts in pieces, with a mark on the words that the other has not at that place.

    Example:
        >>> mark_changes("Der Kran steht", "Der Kranich steht")[0]
        [('Der', None), (' ', None), ('Kran', 'changed'), (' ', None), ('steht', None)]
    """
    here, there = one.split(), other.split()
    steps = difflib.SequenceMatcher(None, here, there, autojunk=False).get_opcodes()
    return (
        _pieces((here[start:end], tag) for tag, start, end, _, _ in steps),
        _pieces((there[start:end], tag) for tag, _, _, start, end in steps),
    )


def _pieces(runs: Iterable[tuple[list[str], str]]) -> Marked:
    pieces: Marked = []
    for words, tag in runs:
        if words:
            pieces += [(" ", None)] * bool(pieces) + [(" ".join(words), None if tag == "equal" else CHANGED)]
    return pieces
