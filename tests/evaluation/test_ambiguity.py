from __future__ import annotations

import pytest

from limbeck.errors import LimbeckError
from limbeck.evaluation.ambiguity import Ambiguity, AmbiguityAccuracy
from limbeck.evaluation.metrics import Metric


@pytest.mark.parametrize(
    ("hypothesis", "right"),
    [
        ("ein mann am ufer .", True),
        ("Ein Mann am UFER .", True),
        ("ufer", True),
        ("  ufer\tdes flusses", True),
        ("ein mann am flussufer .", False),  # part of another token
        ("ein mann auf der bank .", False),
        ("eine bank am ufer .", False),  # both senses
        ("ein geld institut am ufer", False),  # a rejected form of two words
        ("ein geld , institut am ufer", True),  # the two words are not adjacent
        ("", False),
    ],
)
def test_whole_tokens_of_the_right_sense(hypothesis: str, right: bool) -> None:
    item = Ambiguity(expected=("Ufer", "ufers"), rejected=("Bank", "geld institut"))
    assert item.is_resolved(hypothesis) is right


def test_items_without_an_ambiguous_word_do_not_count() -> None:
    metric = AmbiguityAccuracy()
    item = Ambiguity(("kran",), ("kranich",))
    statistics = metric.statistics(["ein kran", "x", "ein kranich", "y"], [item, None, item, None])
    assert statistics.tolist() == [[1, 1], [0, 0], [0, 1], [0, 0]]
    assert metric.score(statistics) == 50.0
    assert metric.score(metric.statistics(["x"], [None])) == 0.0


def test_expected_in_several_words() -> None:
    assert Ambiguity(("heißer hund",)).is_resolved("ein heißer  hund")
    assert not Ambiguity(("heißer hund",)).is_resolved("ein hund heißer")


def test_impossible_items_are_refused() -> None:
    with pytest.raises(LimbeckError, match="without an expected form"):
        Ambiguity(())
    with pytest.raises(LimbeckError, match="is empty"):
        Ambiguity(("ufer", " "))
    with pytest.raises(LimbeckError, match="both expected and rejected: bank"):
        Ambiguity(("Bank",), ("bank",))
    with pytest.raises(LimbeckError, match="1 hypotheses for 2"):
        AmbiguityAccuracy().statistics(["a"], [None, None])


def test_round_trip() -> None:
    assert Metric.from_json(AmbiguityAccuracy("bats").to_json()) == AmbiguityAccuracy("bats")
