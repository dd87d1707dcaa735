"""Regularised evolution: the oldest dies, and the best of a few has a child that differs in one place."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from limbeck.errors import LimbeckError

Candidate = TypeVar("Candidate")


@dataclass(frozen=True)
class Found(Generic[Candidate]):
    """What a search found.

    Args:
        best: The candidate with the highest score.
        score: Its score.
        scored: All scores, in the order in which they were asked for; a candidate is scored once.
    """

    best: Candidate
    score: float
    scored: dict[Candidate, float]


def evolve(
    draw: Callable[[random.Random], Candidate],
    mutate: Callable[[Candidate, random.Random], Candidate],
    score: Callable[[Candidate], float],
    *,
    allowed: Callable[[Candidate], bool] = lambda candidate: True,
    population: int = 36,
    tournament: int = 8,
    cycles: int = 200,
    seed: int = 0,
) -> Found[Candidate]:
    """Search for the candidate with the highest score.

    Args:
        draw: Gives a candidate at random.
        mutate: Gives a neighbour of one.
        score: Higher is better; the same each time.
        allowed: Says whether a candidate keeps the limits (parameters, say). Others are drawn or mutated again.
        population: Candidates alive.
        tournament: Of which so many are drawn, and the best of these has a child.
        cycles: Children in all.
        seed: Of what is random.

    Raises:
        LimbeckError: A thousand draws or mutations in a row were not allowed.

    Reference:
        Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019, arXiv 1802.01548.

    Example:
        >>> step = lambda at, chance: at + chance.choice([-1, 1])
        >>> evolve(lambda chance: 0, step, lambda at: -abs(at - 7), population=8, tournament=4).best
        7
    """
    chance = random.Random(seed)
    scored: dict[Candidate, float] = {}

    def admitted(make: Callable[[random.Random], Candidate]) -> Candidate:
        for _ in range(1000):
            if allowed(candidate := make(chance)):
                if candidate not in scored:
                    scored[candidate] = score(candidate)
                return candidate
        raise LimbeckError("search: a thousand candidates in a row were not allowed; are the limits too narrow?")

    alive = deque(admitted(draw) for _ in range(population))
    for _ in range(cycles):
        parent = max(chance.sample(list(alive), min(tournament, len(alive))), key=scored.__getitem__)
        alive.append(admitted(partial(mutate, parent)))
        alive.popleft()
    best = max(scored, key=scored.__getitem__)
    return Found(best, scored[best], scored)
