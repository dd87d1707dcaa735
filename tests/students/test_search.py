"""Evolution keeps its limits, and scores what untrained networks do."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.students.scores import diswot_terms, naswot, synflow
from limbeck.students.search import evolve


def step(at: int, chance: random.Random) -> int:
    return at + chance.choice([-1, 1])


def test_evolution_climbs_within_limits_and_scores_each_once() -> None:
    asked: list[int] = []

    def score(at: int) -> float:
        asked.append(at)
        return -abs(at - 20.0)

    found = evolve(
        lambda chance: chance.randrange(5), step, score, allowed=lambda at: at <= 12, population=6, tournament=3, seed=1
    )
    assert (found.best, found.score) == (12, -8.0)
    assert len(asked) == len(set(asked)) == len(found.scored)
    assert max(found.scored) == 12
    again = evolve(
        lambda chance: chance.randrange(5), step, score, allowed=lambda at: at <= 12, population=6, tournament=3, seed=1
    )
    assert list(again.scored) == list(found.scored)


def test_the_oldest_die_though_they_be_the_best() -> None:
    parents: list[int] = []

    def mutate(at: int, chance: random.Random) -> int:
        parents.append(at)
        return at + 1

    evolve(lambda chance: 0, mutate, lambda at: -float(at), population=3, tournament=3, cycles=9)
    # Were the best kept, all children would be of 0.
    assert max(parents) > 0
    with pytest.raises(LimbeckError, match="were not allowed"):
        evolve(lambda chance: 0, mutate, float, allowed=lambda at: at > 0)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, width, 3, bias=False), nn.ReLU())
        self.head = nn.Linear(width, 4)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.maps(pixels).mean((-2, -1)))


def two() -> tuple[Net, Net, Tensor, Tensor]:
    torch.manual_seed(0)
    return Net(5).double(), Net(8).double(), torch.randn(6, 3, 7, 7).double(), torch.tensor([0, 1, 2, 3, 1, 1])


def test_diswot_by_the_equation() -> None:
    student, teacher, pixels, labels = two()
    semantic, relation = diswot_terms(student, teacher, pixels, labels, maps="maps", head="head")
    products = []
    for network in (student, teacher):
        maps = network.maps(pixels).detach().numpy()
        features = maps.mean((-2, -1))
        logits = features @ network.head.weight.detach().numpy().T + network.head.bias.detach().numpy()
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        slope = (chances - np.eye(4)[labels.numpy()]).T @ features / 6
        rows = [side @ side.T for side in (slope, maps.reshape(6, -1))]
        products.append([one / np.linalg.norm(one, axis=1, keepdims=True) for one in rows])
    assert semantic == pytest.approx(-((products[0][0] - products[1][0]) ** 2).sum() / 16)
    assert relation == pytest.approx(-((products[0][1] - products[1][1]) ** 2).sum() / 36)
    same = diswot_terms(student, student, pixels, labels, maps="maps", head="head")
    assert same == pytest.approx((0, 0), abs=1e-20)
    assert max(semantic, relation) < 0
    assert all(value.grad is None for value in student.parameters())


def test_diswot_sees_more_than_the_scale_of_norms() -> None:
    """A proxy that multiplies the scales of batch norms would see nothing but these."""
    student, teacher, pixels, labels = two()
    before = diswot_terms(student, teacher, pixels, labels, maps="maps", head="head")
    with torch.no_grad():
        student.maps[0].weight.mul_(3)  # type: ignore[operator]
    relation = diswot_terms(student, teacher, pixels, labels, maps="maps", head="head")[1]
    assert relation == pytest.approx(before[1])
    turned = diswot_terms(student, teacher, pixels, labels.roll(1), maps="maps", head="head")
    assert turned[1] == pytest.approx(relation)
    assert turned[0] != pytest.approx(before[0])


def test_naswot_counts_agreeing_rectifiers() -> None:
    network, _, pixels, _ = two()
    on = (network.maps(pixels) > 0).flatten(1).numpy()
    kernel = [[float((one == other).sum()) for other in on] for one in on]
    assert naswot(network, pixels) == pytest.approx(np.linalg.slogdet(np.array(kernel))[1])


def test_synflow_by_hand_and_nothing_is_changed() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    first, second = (kept[name].double().abs() for name in ("0.weight", "2.weight"))
    flow = float((second @ first).sum())  # each layer's |w dR/dw| sums to R
    assert synflow(network, torch.randn(4, 2)) == pytest.approx(np.log(2 * flow))
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert network.training
