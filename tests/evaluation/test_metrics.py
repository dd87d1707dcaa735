"""Sums of statistics give the scores that sacrebleu itself gives."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU as SacreBLEU
from sacrebleu.metrics.chrf import CHRF as SacreCHRF
from sacrebleu.metrics.ter import TER as SacreTER

import limbeck.evaluation
from limbeck.errors import LimbeckError
from limbeck.evaluation.metrics import BLEU, TER, Accuracy, ChrF, Mean, Metric, TextMetric

WORDS = ["the", "a", "small", "Red", "dog", "runs", "over", "bridge,", "river", ".", "!", "and", "Bäume", "grüne"]


def corpus(items: int, seed: int) -> tuple[list[str], list[str]]:
    random = np.random.default_rng(seed)
    references = [" ".join(random.choice(WORDS, size=random.integers(1, 12))) for _ in range(items)]
    hypotheses = []
    for reference in references:
        words = [w for w in reference.split() if random.random() > 0.2]
        words = [str(random.choice(WORDS)) if random.random() < 0.2 else w for w in words]
        hypotheses.append(" ".join(words))
    return hypotheses, references


PAIRS = [
    (BLEU(), SacreBLEU()),
    (BLEU(lowercase=True, tokenize="none"), SacreBLEU(lowercase=True, tokenize="none")),
    (BLEU(tokenize="char"), SacreBLEU(tokenize="char")),
    (ChrF(), SacreCHRF()),
    (ChrF(lowercase=True, word_order=2), SacreCHRF(lowercase=True, word_order=2)),
    (TER(), SacreTER()),
    (TER(lowercase=False), SacreTER(case_sensitive=True)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda m: type(m).__module__.split(".")[0])
@pytest.mark.parametrize("items", [1, 2, 5, 60])
def test_aggregate_is_sacrebleu(ours: TextMetric, theirs: SacreBLEU | SacreCHRF | SacreTER, items: int) -> None:
    for seed in range(5):
        hypotheses, references = corpus(items, seed)
        expected = theirs.corpus_score(hypotheses, [references])
        assert ours.score(ours.statistics(hypotheses, references)) == pytest.approx(expected.score, abs=1e-9)
        assert ours.signature == str(theirs.get_signature())


@pytest.mark.parametrize("metric", [BLEU(), ChrF(), TER()], ids=lambda m: m.name)
@pytest.mark.parametrize(
    ("hypotheses", "references"),
    [
        ([""], ["a dog"]),
        (["", "a dog runs here"], ["a", "a dog runs here"]),
        (["a"], ["a"]),
        (["a b c"], ["a b c"]),
        (["x y z w"], ["a b c d"]),
        (["a x b y c"], ["a b c d e"]),
        (["a dog"], [""]),
    ],
)
def test_edges_are_sacrebleu(metric: TextMetric, hypotheses: list[str], references: list[str]) -> None:
    theirs = {"BLEU": SacreBLEU(), "chrF": SacreCHRF(), "TER": SacreTER()}[metric.name]
    expected = theirs.corpus_score(hypotheses, [references]).score
    assert metric.score(metric.statistics(hypotheses, references)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", [BLEU(), ChrF(), TER(), Accuracy()], ids=lambda m: m.name)
def test_aggregate_is_vectorised_over_leading_axes(metric: TextMetric) -> None:
    statistics = metric.statistics(*corpus(12, 3))
    blocks = statistics.reshape(2, 3, 2, -1)
    scores = metric.aggregate(blocks.sum(axis=2))
    assert scores.shape == (2, 3)
    assert scores[1, 2] == pytest.approx(metric.score(blocks[1, 2]))


@pytest.mark.parametrize("metric", [BLEU(), ChrF(), TER(), Accuracy()], ids=lambda m: m.name)
def test_unequal_or_empty_texts_are_refused(metric: TextMetric) -> None:
    with pytest.raises(LimbeckError, match="2 hypotheses for 1 references"):
        metric.statistics(["a", "b"], ["a"])
    with pytest.raises(LimbeckError, match="no hypotheses"):
        metric.statistics([], [])


def test_unknown_tokenizer_names_the_possible() -> None:
    with pytest.raises(LimbeckError, match="13a"):
        BLEU(tokenize="14a").statistics(["a"], ["a"])


def test_mean_leaves_uncounted_items_out_even_if_nan() -> None:
    metric = Mean("loss")
    assert metric.score(metric.of([1.0, float("nan"), 3.0], counted=[1, 0, 1])) == 2.0
    assert metric.score(metric.of([5.0], counted=[0])) == 0.0


def test_direction() -> None:
    assert BLEU().higher_is_better
    assert not TER().higher_is_better
    assert not Mean("loss", lower_is_better=True).higher_is_better


@pytest.mark.parametrize("metric", [BLEU(True, "none"), ChrF(word_order=2), TER(), Mean("x", 100.0), Accuracy("top-1")])
def test_json_round_trip(metric: Metric) -> None:
    assert Metric.from_json(metric.to_json()) == metric


def test_unknown_metric_in_json() -> None:
    with pytest.raises(LimbeckError, match=r"unknown metric 'Blue'.*BLEU"):
        Metric.from_json({"metric": "Blue"})


def test_a_file_put_beside_the_others_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "from limbeck.evaluation.metrics import Accuracy", "", "class Put(Accuracy):", "    pass", ""
    (tmp_path / "put_beside.py").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(limbeck.evaluation, "__path__", [*limbeck.evaluation.__path__, str(tmp_path)])
    try:
        assert type(Metric.from_json({"metric": "Put"})).__module__ == "limbeck.evaluation.put_beside"
    finally:
        Metric._known.pop("Put", None)
        sys.modules.pop("limbeck.evaluation.put_beside", None)
