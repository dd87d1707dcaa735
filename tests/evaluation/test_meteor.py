"""METEOR's formula, worked out by hand, and its aligner against exhaustive search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from limbeck.errors import LimbeckError
from limbeck.evaluation.meteor import LANGUAGES, Meteor, align, chunks, frequent_words
from limbeck.evaluation.metrics import Metric


def score(meteor: Meteor, hypothesis: str, reference: str) -> float:
    return meteor.score(meteor.statistics([hypothesis], [reference]))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_identity_is_100_and_nothing_shared_is_0(language: str) -> None:
    meteor = Meteor(language, "none")
    assert score(meteor, "zwei hunde laufen hier", "zwei hunde laufen hier") == pytest.approx(100)
    assert score(meteor, "aaa bbb", "xyz uvw") == 0
    assert score(meteor, "", "xyz") == 0


def test_by_hand() -> None:
    # "the dog" + "runs home" match in 2 chunks; 4 of 5 hypothesis words, 4 of 4 reference words.
    p = LANGUAGES["en"]
    precision, recall = 4 / 5, 4 / 4
    mean = precision * recall / (p.alpha * precision + (1 - p.alpha) * recall)
    expected = 100 * mean * (1 - p.gamma * (2 / 4) ** p.beta)
    assert score(Meteor("en"), "the dog quickly runs home", "the dog runs home") == pytest.approx(expected)


def test_recall_counts_more_than_precision_in_german() -> None:
    meteor = Meteor("de")
    long, short = "ein hund läuft sehr schnell", "ein hund läuft"
    assert score(meteor, long, short) > score(meteor, short, long)


def test_stems_get_their_weight() -> None:
    # One exact word, one stem match, in one chunk; not penalised, as all words match.
    assert score(Meteor("de"), "zwei Hunde", "zwei Hund") == pytest.approx(100 * (1 + LANGUAGES["de"].stem) / 2)
    assert score(Meteor("fr"), "deux chiens", "deux chien") == pytest.approx(100 * (1 + LANGUAGES["fr"].stem) / 2)
    # Czech has no stem stage.
    assert score(Meteor("cs"), "psi", "psa") == 0


def test_function_words_count_less() -> None:
    plain, weighted = Meteor("en"), Meteor("en", function_words=("the",))
    assert score(weighted, "the dog", "the cat") < score(plain, "the dog", "the cat")
    # Content 0.75, function 0.25: the one match is worth a quarter on either side; one word in one chunk.
    assert score(weighted, "the dog", "the cat") == pytest.approx(100 * 0.25 * (1 - LANGUAGES["en"].gamma))
    assert weighted.signature != plain.signature


def test_corpus_score_adds_statistics_and_spares_perfect_segments() -> None:
    meteor = Meteor("en", "none")
    statistics = meteor.statistics(["a b c", "d x"], ["a b c", "d y"])
    p = LANGUAGES["en"]
    share = 4 / 5
    expected = 100 * share * (1 - p.gamma * (1 / 4) ** p.beta)
    assert meteor.score(statistics) == pytest.approx(expected)
    assert meteor.aggregate(statistics).shape == (2,)


def test_aligner_is_optimal_on_small_sentences() -> None:
    random = np.random.default_rng(0)
    stem = {"as": "a", "bs": "b"}
    for _ in range(300):
        hypothesis = list(random.choice(["a", "b", "as", "bs", "c"], size=random.integers(1, 6)))
        reference = list(random.choice(["a", "b", "as", "bs", "c"], size=random.integers(1, 6)))
        found = align(hypothesis, reference, lambda word: stem.get(word, word))
        assert _cost(found, hypothesis, reference) == _best(hypothesis, reference, stem)


def test_aligner_survives_long_repetition() -> None:
    pairs = align(["the"] * 60, ["the"] * 60, str)
    assert len(pairs) == 60
    assert chunks(pairs) == 1


def test_frequent_words_uses_relative_frequency() -> None:
    assert frequent_words(["The a b", "the c d", "THE e f g"], threshold=0.3) == ("the",)


def test_names_say_what_is_missing() -> None:
    assert Meteor("de").name == "METEOR-exact-stem"
    assert Meteor("cs").name == "METEOR-exact"
    assert "para:no" in Meteor("de").signature
    assert "funcwords:no" in Meteor("de").signature


def test_wrong_settings_and_round_trip() -> None:
    with pytest.raises(LimbeckError, match="no language 'xx'"):
        Meteor("xx")
    with pytest.raises(LimbeckError, match="'intl'"):
        Meteor("de", "intl")
    meteor = Meteor("de", "none", ("der", "die"))
    assert Metric.from_json(meteor.to_json()) == meteor


def _cost(pairs: list[tuple[int, int]], hypothesis: list[str], reference: list[str]) -> tuple[float, int, int]:
    matched = sum(1.0 if hypothesis[i] == reference[j] else 0.5 for i, j in pairs)
    return -matched, chunks(pairs), sum(abs(i - j) for i, j in pairs)


def _best(hypothesis: list[str], reference: list[str], stem: dict[str, str]) -> tuple[float, int, int]:
    """The cheapest of all one-to-one alignments."""
    choices = [[None, *(i for i, h in enumerate(hypothesis) if stem.get(h, h) == stem.get(r, r))] for r in reference]
    costs = []
    for chosen in itertools.product(*choices):
        used = [i for i in chosen if i is not None]
        if len(used) == len(set(used)):
            costs.append(_cost([(i, j) for j, i in enumerate(chosen) if i is not None], hypothesis, reference))
    return min(costs)
