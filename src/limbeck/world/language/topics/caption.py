"""Captions: *A small boy throws a red ball near the bridge*."""

from __future__ import annotations

from limbeck.world.grammar import english
from limbeck.world.language.captions import possible_clause, read_clause
from limbeck.world.language.reading import Reader
from limbeck.world.language.text import Text
from limbeck.world.language.topics.base import Grammar, Scene, clause_of


def _make(scene: Scene) -> Text:
    return Text("caption", scene.clause)


def _write(text: Text) -> str:
    return english.sentence(clause_of(text))


def _read(reader: Reader) -> Text:
    clause = read_clause(reader)
    reader.need(".")
    return Text("caption", clause)


def _possible(text: Text) -> bool:
    return possible_clause(clause_of(text))


CAPTION = Grammar(_make, _write, _read, _possible)
