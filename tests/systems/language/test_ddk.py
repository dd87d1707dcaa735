"""`limbeck run ddk`, and how shares of domains move."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from limbeck.systems.lab import Lab
from limbeck.systems.language.ddk import arms, corpus
from limbeck.systems.language.domains import DomainLoader, Domains, first_factors, next_factors
from limbeck.world.language import TOPICS, vocabulary
from tests.systems.language.toys import LANGUAGE, smoke


@pytest.fixture(scope="module")
def domains() -> Domains:
    return corpus(Lab(scale="smoke"), vocabulary())


def test_factors_by_hand() -> None:
    factors, ratios = np.array([0.2, 0.3, 0.5]), np.array([1.0, 1.5, 3.0])
    psi = factors * np.exp(ratios)
    assert next_factors(factors, ratios, 0.4) == pytest.approx(0.4 * psi / psi.sum() + 0.6 / 3)
    assert first_factors(ratios) == pytest.approx(np.exp(ratios) / np.exp(ratios).sum())


def test_factors_sum_to_1_above_a_floor_whatever_the_ratios() -> None:
    factors = np.full(4, 0.25)
    for ratios in ([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 900.0, 1e6]):
        moved = next_factors(factors, np.array(ratios), 0.5)
        assert moved.sum() == pytest.approx(1.0)
        assert moved.min() >= 0.125
    assert next_factors(factors, np.ones(4), 0.5) == pytest.approx(factors)
    assert next_factors(factors, np.array([1.0, 1.0, 1.0, 1e3]), 1.0).min() == 0.0


def test_the_loader_draws_by_its_shares_as_they_are_now(domains: Domains) -> None:
    loader = DomainLoader(domains, 50, 12, seed=3)
    batches = iter(loader)

    def topics(number: int) -> list[str | None]:
        return [LANGUAGE.topic_of(ids) for batch in islice(batches, number) for ids in batch["input_ids"].tolist()]

    even = topics(6)
    assert all(abs(even.count(topic) / 300 - 1 / 6) < 0.08 for topic in TOPICS)
    loader.shares = np.eye(len(TOPICS))[2]
    assert set(topics(2)) == {TOPICS[2]}


def test_a_spent_domain_begins_again(domains: Domains) -> None:
    loader = DomainLoader(domains, 45, 1, seed=3)
    loader.shares = np.eye(len(TOPICS))[0]
    rows = next(iter(loader))["row"].tolist()
    number = len(domains.parts[0].train)
    assert sorted(rows[:number]) == list(range(number))
    assert rows[number : 2 * number] == rows[:number]


def test_a_weight_of_0_leaves_the_teacher_to_the_sampler() -> None:
    assert all(arm.method is None for arm in arms(2, 0.5, 0.0))


def test_smoke(cache: Path, tmp_path: Path) -> None:
    found = smoke("ddk", tmp_path, "--updates", 3)
    assert list(found.arms) == [arm.name for arm in arms(2, 0.5, 0.2)]
    assert found.unequal_budgets() == {}
    assert len(found.statistics("ddk", "change of shares")[0]) == 2
    worst, mean = (found.score("start", column) for column in ("worst perplexity ratio", "perplexity ratio"))
    assert worst >= mean
