"""Findings refuse what cannot be compared, judge claims by their intervals, and survive a round trip."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from limbeck.errors import LimbeckError
from limbeck.evaluation.ambiguity import AmbiguityAccuracy
from limbeck.evaluation.bootstrap import Comparison
from limbeck.evaluation.meteor import Meteor
from limbeck.evaluation.metrics import BLEU, Accuracy, Mean, Statistics
from limbeck.systems.claims import Claim, judge
from limbeck.systems.findings import Findings

ACCURACY = Accuracy()


def right(share: float, items: int = 100) -> Statistics:
    return np.stack([(np.arange(items) < share * items).astype(float), np.ones(items)], axis=-1)


def toy(seeds: tuple[int, ...] = (1, 2, 3)) -> Findings:
    findings = Findings("toy")
    for name, role, share in (("alone", "baseline", 0.5), ("method", "method", 0.9), ("ablated", "ablation", 0.5)):
        findings.declare(name, role=role, title=name.title(), parameters=10)  # type: ignore[arg-type]
        for seed in seeds:
            findings.add(name, ACCURACY, seed, right(share + seed / 100))
            findings.spend(name, seed, seconds=seed * 2.0, steps=100)
    return findings


def test_scores_and_comparisons() -> None:
    findings = toy()
    assert findings.seeds("method", "accuracy") == (1, 2, 3)
    assert findings.score("method", "accuracy") == pytest.approx(92)
    assert findings.compare("method", "alone", "accuracy").difference == pytest.approx(40)
    found = findings.interval("method", "accuracy")
    assert found.low < 92 < found.high
    assert found.seeds == 3


def test_verdicts() -> None:
    findings = toy()
    findings.claim("better", arm="method", baseline="alone", metric="accuracy")
    findings.claim("the ablation is better", arm="ablated", baseline="method", metric="accuracy")
    findings.claim("the ablation is equal", arm="ablated", baseline="alone", metric="accuracy")
    findings.claim("at most 3 worse", arm="ablated", baseline="alone", metric="accuracy", margin=-3)
    findings.claim("40 better", arm="method", baseline="alone", metric="accuracy", margin=40)
    assert [judged.verdict for judged in findings.verdicts()] == ["holds", "fails", "fails", "holds", "open"]


@pytest.mark.parametrize(
    ("low", "high", "margin", "verdict"),
    [
        (0.1, 5.0, 0.0, "holds"),
        (0.0, 5.0, 0.0, "open"),  # the bound itself is not above the margin
        (-5.0, 0.0, 0.0, "fails"),
        (-5.0, 0.1, 0.0, "open"),
        (-2.9, 1.0, -3.0, "holds"),
        (-4.0, 1.0, -3.0, "open"),
        (-4.0, -3.0, -3.0, "fails"),
    ],
)
def test_verdict_bounds_in_both_directions(low: float, high: float, margin: float, verdict: str) -> None:
    claim = Claim("", "a", "b", "m", margin)
    middle = (low + high) / 2
    up = Comparison(50 + middle, 50, middle, low, high, 0.5, 0.95, 100, 3)
    down = Comparison(50 - middle, 50, -middle, -high, -low, 0.5, 0.95, 100, 3)
    assert judge(claim, up).verdict == verdict
    turned = judge(claim, down, higher_is_better=False)
    assert (turned.verdict, turned.advantage, turned.low, turned.high) == (verdict, middle, low, high)


def test_lower_is_better_claims() -> None:
    findings = Findings()
    loss = Mean("loss", lower_is_better=True)
    for name, role, level in (("alone", "baseline", 2.0), ("method", "method", 1.0)):
        findings.declare(name, role=role)  # type: ignore[arg-type]
        findings.add(name, loss, 1, loss.of(level + np.linspace(0, 0.1, 50)))
    findings.claim("less loss", arm="method", baseline="alone", metric="loss", margin=0.5)
    (judged,) = findings.verdicts()
    assert judged.verdict == "holds"
    assert judged.advantage == pytest.approx(1.0)


def test_round_trip(tmp_path: Path) -> None:
    findings = toy()
    findings.claim("better", arm="method", baseline="alone", metric="accuracy", margin=-3)
    findings.notes.append("a note")
    text = ["ein hund läuft", "zwei hunde", "x y z w v"]
    for name in findings.arms:
        for seed in (1, 2, 3):
            for metric in (BLEU(True, "none"), Meteor("de", "none", ("der",))):
                findings.add(name, metric, seed, metric.statistics(text, text), column=f"{metric.name} / test/2016")
            findings.add(name, AmbiguityAccuracy(), seed, AmbiguityAccuracy().statistics(["a"], [None]))
    findings.save(tmp_path / "run")
    loaded = Findings.load(tmp_path / "run")
    assert loaded == findings
    assert [j.verdict for j in loaded.verdicts()] == [j.verdict for j in findings.verdicts()]
    loaded.add("alone", ACCURACY, 4, right(0.5))
    assert loaded != findings


def test_metrics_json_can_be_read(tmp_path: Path) -> None:
    findings = toy()
    findings.claim("better", arm="method", baseline="alone", metric="accuracy")
    findings.save(tmp_path)
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["scores"]["accuracy"]["method"]["value"] == pytest.approx(92)
    assert written["scores_by_seed"]["accuracy"]["method"] == {"1": 91.0, "2": 92.0, "3": pytest.approx(93.0)}
    assert written["verdicts"][0]["verdict"] == "holds"
    assert written["metrics"]["accuracy"]["signature"] == "exact-match"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "statistics.safetensors"]


def test_unreadable_folders(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="is missing"):
        Findings.load(tmp_path)
    toy().save(tmp_path)
    (tmp_path / "statistics.safetensors").write_bytes(b"junk")
    with pytest.raises(LimbeckError, match="no readable findings"):
        Findings.load(tmp_path)
    (tmp_path / "metrics.json").write_text("[]")
    with pytest.raises(LimbeckError, match="no readable findings"):
        Findings.load(tmp_path)


def test_what_cannot_be_compared_is_refused() -> None:
    findings = toy()
    with pytest.raises(LimbeckError, match=r"no arm 'metod' is declared; did you mean 'method'"):
        findings.add("metod", ACCURACY, 1, right(0.5))
    with pytest.raises(LimbeckError, match="added twice"):
        findings.add("method", ACCURACY, 1, right(0.5))
    with pytest.raises(LimbeckError, match=r"\(99, 2\).*\(100, 2\)"):
        findings.add("method", ACCURACY, 4, right(0.5, items=99))
    with pytest.raises(LimbeckError, match="a column of its own"):
        findings.add("method", Mean("accuracy"), 4, right(0.5))
    with pytest.raises(LimbeckError, match="NaN"):
        findings.add("method", ACCURACY, 4, right(0.5) * np.nan)
    with pytest.raises(LimbeckError, match=r"\(items, k\)"):
        findings.add("method", ACCURACY, 4, np.ones(5))
    with pytest.raises(LimbeckError, match="was declared as"):
        findings.declare("method", role="baseline")
    with pytest.raises(LimbeckError, match="unknown role"):
        findings.declare("new", role="student")  # type: ignore[arg-type]
    with pytest.raises(LimbeckError, match="has no 'BLEU'; it has accuracy"):
        findings.score("method", "BLEU")


def test_different_seeds_are_not_paired() -> None:
    findings = toy()
    findings.add("method", ACCURACY, 9, right(0.9))
    with pytest.raises(LimbeckError, match=r"seeds \(1, 2, 3, 9\) but alone with \(1, 2, 3\)"):
        findings.compare("method", "alone", "accuracy")


def test_claims_about_unknown_things_are_refused_when_made() -> None:
    findings = toy()
    with pytest.raises(LimbeckError, match="no arm 'alon'"):
        findings.claim("x", arm="method", baseline="alon", metric="accuracy")
    with pytest.raises(LimbeckError, match="no arm 'methot'"):
        findings.claim_all(("y", "method", "alone", "accuracy"), ("x", "methot", "alone", "accuracy", -3.0))


def test_a_table_of_claims_is_stated_row_by_row() -> None:
    findings = toy()
    findings.claim_all(("better", "method", "alone", "accuracy"), ("not worse", "alone", "method", "accuracy", -3.0))
    assert findings.claims == [
        Claim("better", "method", "alone", "accuracy"),
        Claim("not worse", "alone", "method", "accuracy", -3.0),
    ]


def test_statistics_are_copied() -> None:
    findings = Findings()
    findings.declare("a", role="method")
    rows = right(1.0)
    findings.add("a", ACCURACY, 1, rows)
    rows[:] = 0
    assert findings.score("a", "accuracy") == 100


def test_budgets() -> None:
    findings = toy()
    assert findings.budget("method") == {"seconds": 4.0, "steps": 100.0}
    assert findings.unequal_budgets() == {}
    findings.declare("big", role="teacher")
    findings.spend("big", 1, steps=10_000)
    assert findings.unequal_budgets() == {}
    findings.declare("longer", role="ablation")
    findings.spend("longer", 1, steps=150, tokens=5)
    assert findings.unequal_budgets() == {
        "steps": {"alone": 100, "method": 100, "ablated": 100, "longer": 150},
    }


def test_a_claim_about_nothing_measured_does_not_cost_the_results(tmp_path: Path) -> None:
    findings = toy()
    findings.claim("x", arm="method", baseline="alone", metric="BLEU")
    with pytest.raises(LimbeckError, match="has no 'BLEU'"):
        findings.save(tmp_path)
    assert Findings.load(tmp_path) == findings


def test_scores_follow_what_is_added_later() -> None:
    findings = toy(seeds=(1,))
    before = findings.interval("method", "accuracy"), findings.compare("method", "alone", "accuracy")
    for name in findings.arms:
        findings.add(name, ACCURACY, 2, right(0.1 if name == "method" else 0.9))
    assert findings.interval("method", "accuracy") != before[0]
    assert findings.compare("method", "alone", "accuracy") != before[1]


def test_statistics_in_any_order_of_memory_are_saved_as_they_are(tmp_path: Path) -> None:
    findings, columns = Findings("order"), np.arange(12.0).reshape(4, 3)[:, [2, 1]]
    assert not columns.flags["C_CONTIGUOUS"]
    findings.declare("one", role="method")
    findings.add("one", Mean("mean"), 1, columns)
    findings.save(tmp_path)
    assert np.array_equal(Findings.load(tmp_path).statistics("one", "mean")[0], columns)
