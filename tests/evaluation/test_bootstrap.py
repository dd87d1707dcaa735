"""Intervals against what is known of them: normal theory, sacrebleu, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from limbeck.errors import LimbeckError
from limbeck.evaluation.bootstrap import interval, paired_bootstrap
from limbeck.evaluation.metrics import BLEU, Accuracy, Mean

MEAN = Mean("mean")


def counted(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([values, np.ones_like(values)], axis=-1)


def test_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=400)
    found = interval(MEAN, counted(values), samples=20_000)
    error = values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.06 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.06 * error)


def test_pairing_removes_what_items_share() -> None:
    random = np.random.default_rng(2)
    hard, noise = random.normal(0, 10, size=300), random.normal(0.5, 1, size=300)
    found = paired_bootstrap(MEAN, counted(hard + noise), counted(hard), samples=20_000)
    error = noise.std() / np.sqrt(300)
    assert found.difference == pytest.approx(noise.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert found.p_value < 0.001


def test_seeds_without_item_noise_give_student_intervals() -> None:
    a = np.array([70.0, 74.0, 72.0])[:, None] * np.ones((3, 50))
    b = np.array([60.0, 65.0, 61.0])[:, None] * np.ones((3, 50))
    found = paired_bootstrap(MEAN, counted(a), counted(b), samples=200_000)
    differences = np.array([10.0, 9.0, 11.0])
    half = 4.3027 * differences.std(ddof=1) / np.sqrt(3)
    assert found.difference == pytest.approx(10.0)
    assert found.low == pytest.approx(10 - half, rel=0.03)
    assert found.high == pytest.approx(10 + half, rel=0.03)


def test_a_scaled_baseline_is_one_whose_items_are_scaled() -> None:
    a, b = np.random.default_rng(3).normal(3.0, 1.0, size=(2, 3, 60))
    found = paired_bootstrap(MEAN, counted(a), counted(b), scale=0.2)
    scaled = paired_bootstrap(MEAN, counted(a), counted(0.2 * b))
    assert found.b == pytest.approx(b.mean())
    for name in ("difference", "low", "high", "p_value"):
        assert getattr(found, name) == pytest.approx(getattr(scaled, name))


def test_one_seed_is_items_only() -> None:
    values = counted(np.random.default_rng(0).normal(size=80))
    assert interval(MEAN, values) == interval(MEAN, values[None])


@pytest.mark.parametrize("seeds", [1, 3])
def test_identical_systems_do_not_differ(seeds: int) -> None:
    values = counted(np.random.default_rng(0).normal(size=(seeds, 50)))
    found = paired_bootstrap(MEAN, values, values)
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_deterministic_by_seed_and_independent_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    a, b = counted(random.normal(size=(2, 70))), counted(random.normal(size=(2, 70)))
    first = paired_bootstrap(MEAN, a, b, samples=500, seed=4)
    assert paired_bootstrap(MEAN, a, b, samples=500, seed=4) == first
    assert paired_bootstrap(MEAN, a, b, samples=500, seed=5) != first
    monkeypatch.setattr("limbeck.evaluation.bootstrap._CHUNK", 70 * 33)
    assert paired_bootstrap(MEAN, a, b, samples=500, seed=4).low == pytest.approx(first.low)


def test_swapping_systems_turns_the_sign() -> None:
    random = np.random.default_rng(0)
    a, b = counted(random.normal(size=60)), counted(random.normal(size=60))
    forth, back = paired_bootstrap(MEAN, a, b), paired_bootstrap(MEAN, b, a)
    assert (forth.difference, forth.low, forth.high) == pytest.approx((-back.difference, -back.high, -back.low))
    assert forth.p_value == back.p_value


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.0), (3, 0.5), (5, 0.5)])
def test_coverage_of_no_difference(seeds: int, spread: float) -> None:
    random = np.random.default_rng(11)
    covered = 0
    trials = 200
    for trial in range(trials):
        hard = random.normal(size=100)
        runs = [hard + random.normal(size=(seeds, 100)) + random.normal(0, spread, size=(seeds, 1)) for _ in range(2)]
        found = paired_bootstrap(MEAN, counted(runs[0]), counted(runs[1]), samples=300, seed=trial)
        covered += found.low <= 0 <= found.high
    assert 0.90 <= covered / trials <= 1.0


def test_p_values_are_uniform_when_nothing_differs() -> None:
    random = np.random.default_rng(5)
    p = [
        paired_bootstrap(MEAN, counted(random.normal(size=80)), counted(random.normal(size=80)), samples=300).p_value
        for _ in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.11
    assert np.mean(p) == pytest.approx(0.5, abs=0.07)


def test_agrees_with_sacrebleus_paired_bootstrap() -> None:
    from sacrebleu.metrics.bleu import BLEU as SacreBLEU
    from sacrebleu.significance import PairedTest, Result

    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(40)]
    references = [" ".join(random.choice(words, size=10)) for _ in range(150)]

    def noisy(rate: float) -> list[str]:
        return [" ".join("x" if random.random() < rate else w for w in line.split()) for line in references]

    better, worse = noisy(0.15), noisy(0.25)
    _, theirs = PairedTest(
        [("worse", worse), ("better", better)],
        {"BLEU": SacreBLEU(references=[references])},
        references=None,
        test_type="bs",
        n_samples=1000,
    )()
    one, two = theirs["BLEU"]
    assert isinstance(one, Result)
    assert isinstance(two, Result)
    bleu = BLEU()
    ours = paired_bootstrap(bleu, bleu.statistics(better, references), bleu.statistics(worse, references))
    assert ours.difference == pytest.approx(two.score - one.score, abs=1e-9)
    assert ours.low > 0
    assert ours.p_value == pytest.approx(two.p_value, abs=0.01)
    alone = interval(bleu, bleu.statistics(better, references))
    assert (alone.high - alone.low) / 2 == pytest.approx(two.ci, rel=0.15)


def test_wrong_shapes_are_refused() -> None:
    good = np.ones((2, 5, 2))
    with pytest.raises(LimbeckError, match="same seeds and items"):
        paired_bootstrap(Accuracy(), good, np.ones((2, 6, 2)))
    with pytest.raises(LimbeckError, match="not empty"):
        interval(Accuracy(), np.ones((2, 0, 2)))
    with pytest.raises(LimbeckError, match="NaN"):
        interval(Accuracy(), np.full((3, 2), np.nan))
    with pytest.raises(LimbeckError, match="at least one sample"):
        interval(Accuracy(), good, samples=0)
    with pytest.raises(LimbeckError, match="between 0 and 1"):
        interval(Accuracy(), good, level=95)
