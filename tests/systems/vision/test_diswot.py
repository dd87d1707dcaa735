"""The space of shapes, agreement of orders, and a small run."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from limbeck.cli.app import execute
from limbeck.evaluation.metrics import Mean
from limbeck.models.size import parameters_of
from limbeck.systems.findings import Findings
from limbeck.systems.vision.architectures import BAND, SCORES, allowed, mutate, scores, space
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.diswot import TAU, agreement


def test_neighbours_differ_in_one_place() -> None:
    chance = random.Random(0)
    for _ in range(30):
        one = chance.choice(space())
        other = mutate(one, chance)
        places = zip((*one.widths, one.depth), (*other.widths, other.depth), strict=True)
        assert sum(first != second for first, second in places) == 1
        assert other in space()


def test_the_band_is_kept() -> None:
    some = random.Random(1).sample(space(), 8)
    sizes = [parameters_of(shape.build(12)) for shape in some]
    assert [allowed(shape, 12) for shape in some] == [BAND[0] <= size <= BAND[1] for size in sizes]


def test_agreement_is_kendall_s_tau() -> None:
    stats = pytest.importorskip("scipy.stats")
    first, second = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0], [2.0, 7.0, 1.0, 8.0, 2.5, 8.5]
    assert TAU.score(agreement(first, second)) == pytest.approx(stats.kendalltau(first, second).statistic)
    assert TAU.score(agreement(first, first)) == 1.0
    assert isinstance(TAU, Mean)


def test_scores_repeat() -> None:
    pictures = image_set(sizes=Sizes(64, 1, 1, 1)).train
    shape = space()[7]
    found = scores(shape, pictures, 12)
    assert tuple(found) == SCORES
    assert scores(shape, pictures, 12, only="diswot") == {"diswot": found["diswot"]}
    assert found["diswot"] == pytest.approx(found["semantic"] + found["relation"])
    assert found["params"] == parameters_of(shape.build(12))


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    out = str(tmp_path / "run")
    more = ["--scale", "smoke", "--candidates", "2", "--steps", "1", "--workers", "1", "--out", out, "--device", "cpu"]
    assert execute(["run", "diswot", *more]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {*SCORES, "mean", "best-labels", "best-kd", "search", "search+"}
    assert not found.unequal_budgets()
    assert (tmp_path / "run" / "plots" / "candidates.png").stat().st_size > 5000
    assert abs(found.score("diswot", "tau with KD")) == 1.0
    assert found.claims[0].metric == "tau with KD"
