"""Domains of a corpus, and a loader whose shares of them move with how far the student trails its teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.batch import Batch
from limbeck.distill.batches import Collator
from limbeck.systems.language.examples import Splits
from limbeck.systems.language.selection import mean_nll
from limbeck.training.callbacks import Callback, Progress

Shares = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Domains(Splits):
    """Splits that are made of domains.

    Args:
        parts: Those of each domain.
    """

    parts: tuple[Splits, ...] = ()


def first_factors(ratios: Shares) -> Shares:
    """``softmax`` of the perplexity ratios."""
    powers = np.exp(ratios - ratios.max())
    return np.asarray(powers / powers.sum())


def next_factors(factors: Shares, ratios: Shares, smoothing: float = 0.5) -> Shares:
    """The domains' next discrepancy factors, which are the shares of what is drawn.

    ``psi = r exp(l_S / l_T)``, ``r' = a psi / sum psi + (1 - a) / N``. The largest ratio is taken off all before the
    exponential, which changes nothing and cannot overflow.

    Args:
        factors: ``r``, which sum to 1. Shape ``(domains,)``.
        ratios: Perplexity of the student over that of the teacher. Shape ``(domains,)``.
        smoothing: ``a``; at 1 nothing keeps a domain from being drawn no more.

    Example:
        >>> next_factors(np.array([0.5, 0.5]), np.array([1.0, 1.0 + np.log(3)])).round(6).tolist()
        [0.375, 0.625]
    """
    psi = factors * np.exp(ratios - ratios.max())
    return np.asarray(smoothing * psi / psi.sum() + (1.0 - smoothing) / len(factors))


class DomainLoader:
    """Batches whose sequences are drawn domain by domain, by shares that may change between two batches.

    A domain is gone through in an order of its own, again from the beginning when it is spent.

    Args:
        domains: The training splits come from these.
        batch_size: Sequences a batch.
        batches: How many.
        seed: Of what is drawn.
    """

    def __init__(self, domains: Domains, batch_size: int, batches: int, seed: int) -> None:
        self.domains, self.batch_size, self.batches, self.seed = domains, batch_size, batches, seed
        self.shares: Shares = np.full(len(domains.parts), 1.0 / len(domains.parts))
        self.collator = Collator("causal-lm", domains.vocabulary.pad)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Batch]:
        random = np.random.default_rng(self.seed)
        orders = [random.permutation(len(part.train)) for part in self.domains.parts]
        taken = [0] * len(orders)
        for _ in range(self.batches):
            items = []
            for domain in random.choice(len(orders), size=self.batch_size, p=self.shares).tolist():
                row = int(orders[domain][taken[domain] % len(orders[domain])])
                taken[domain] += 1
                items.append((row, self.domains.parts[domain].train[row]))
            yield self.collator(items)


class DomainClock(Callback):
    """Measures the student on every domain's validation split from time to time, and moves the loader's shares.

    Args:
        loader: Whose shares are moved.
        student: Measured.
        teacher: Its mean NLL of each domain, which does not change. Shape ``(domains,)``.
        every: Steps between two updates; until the first, all domains are drawn alike.
        smoothing: As in :func:`next_factors`.
    """

    def __init__(
        self, loader: DomainLoader, student: Any, teacher: Sequence[float] | Shares, every: int, smoothing: float
    ) -> None:
        self.loader, self.student, self.teacher = loader, student, np.asarray(teacher, dtype=np.float64)
        self.every, self.smoothing = every, smoothing
        self.factors: Shares | None = None
        self.changes: list[float] = []

    def on_step(self, progress: Progress) -> None:
        """Before each step."""
        if progress.step % self.every:
            return
        ratios = np.exp(domain_nll(self.student, self.loader.domains) - self.teacher)
        self.student.train()
        if self.factors is None:
            self.factors = first_factors(ratios)
            return
        moved = next_factors(self.factors, ratios, self.smoothing)
        self.changes.append(float(np.abs(moved - self.factors).sum()))
        self.factors = self.loader.shares = moved


def domain_nll(model: Any, domains: Domains) -> Shares:
    """A model's mean NLL a word on each domain's validation split, in nats. Shape ``(domains,)``."""
    found = []
    for part in domains.parts:
        lengths = np.array([len(example.input_ids) - 1 for example in part.val])
        found.append(float((mean_nll(model, domains, part.val) * lengths).sum() / lengths.sum()))
    return np.array(found)
