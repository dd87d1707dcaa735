"""How rankers and comparers of sentences are trained and asked."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from limbeck.systems.lab import Lab
from limbeck.systems.retrieval.corpus import TOKENS, Corpus, Queries
from limbeck.systems.retrieval.embedders import CrossComparer
from limbeck.systems.retrieval.pairs import pairs
from limbeck.systems.retrieval.rankers import CrossRanker, ranknet
from limbeck.systems.tables import Table
from limbeck.systems.taught import Taught, said_by
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan

WRONG = 0.2
"""Share of queries for whom another document than the right one is labelled."""
WRONG_PAIRS = 0.1
"""Share of training pairs whose label is turned round."""


def fit_ranker(
    task: Taught, queries: Tensor, documents: Tensor, teacher: Tensor | None, plan: Plan, device: str
) -> None:
    """Train a ranker.

    Args:
        task: Holds the ranker.
        queries: ``(queries, words)``.
        documents: Each query's, the labelled one first, ``(queries, 1 + others, words)``.
        teacher: Scores of the same, ``(queries, 1 + others)``, if there is a teacher.
        plan: How.
        device: Where.
    """
    labels = torch.zeros(len(queries), dtype=torch.long)
    more = {} if teacher is None else {"teacher": teacher}
    loader = Table(queries=queries, documents=documents, labels=labels, **more).batches(32)
    fit(task, loader, plan, accelerator=accelerator_on(device), progress=False)


def cross_teacher(lab: Lab, corpus: Corpus, number: int, shown: int) -> nn.Module:
    """A cross-encoder, trained on labels.

    Args:
        lab: Keeps it.
        corpus: What it learns about.
        number: One of several teachers.
        shown: How many queries it learns from.
    """
    steps = lab.pick(smoke=5, default=600, full=4000)
    plan = Plan(lr=2e-3, weight_decay=0.01, clip=1.0, max_steps=steps, schedule="cosine", warmup=steps // 20)
    recipe = {
        "network": "cross-encoder 2 x 64",
        "documents": corpus.count,
        "queries": shown,
        "number": number,
        "wrong": WRONG,
        "candidates": "each once",
        "plan": plan.model_dump(mode="json"),
    }

    def train(network: nn.Module) -> None:
        rows = corpus.queries(shown, seed=1000 + number, related=2, others=2, wrong=WRONG)
        task = Taught(network, ("queries", "documents"), labels=ranknet)
        fit_ranker(task, rows.words, corpus.documents[rows.candidates], None, plan, lab.device)

    return lab.teacher("cross-ranker", recipe, lambda: CrossRanker(TOKENS), train)


def scores_of(network: nn.Module, queries: Queries, documents: Tensor, device: str) -> Tensor:
    """What a ranker says of all candidates, ``(queries, candidates)``.

    Args:
        network: The ranker.
        queries: With their candidates.
        documents: What the candidates are numbers of, ``(documents, words)``.
        device: Where.
    """
    return said_by(network, queries.words, documents[queries.candidates], device=device, at_once=20)


def comparer_teacher(lab: Lab, shown: int) -> nn.Module:
    """A cross-encoder of sentence pairs, trained on labels.

    Args:
        lab: Keeps it.
        shown: How many pairs it learns from, the first of the split.
    """
    steps = lab.pick(smoke=4, default=1500, full=8000)
    plan = Plan(lr=1e-3, weight_decay=0.01, clip=1.0, max_steps=steps, schedule="cosine", warmup=steps // 20)
    recipe = {
        "network": "cross-encoder 2 x 64",
        "pairs": shown,
        "wrong": WRONG_PAIRS,
        "plan": plan.model_dump(mode="json"),
    }

    def train(network: nn.Module) -> None:
        data = pairs("train", shown, seed=1000, wrong=WRONG_PAIRS)
        loader = Table(first=data.first, second=data.second, labels=data.labels).batches(32)
        fit(Taught(network, ("first", "second")), loader, plan, accelerator=accelerator_on(lab.device), progress=False)

    return lab.teacher("cross-comparer", recipe, CrossComparer, train)
