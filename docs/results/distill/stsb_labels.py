"""The student of stsb.yaml on the scores of people alone, no teacher: what a taught student is to be compared with.

    python stsb_labels.py stsb.yaml

Squared error between the cosine of two sentences and their score over 5; the same pairs, batches' size and plan.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.utils.data import DataLoader

from limbeck.batch import Batch
from limbeck.distill.config import DistillConfig
from limbeck.distill.metrics import final_metrics
from limbeck.distill.prepare import prepare
from limbeck.distill.task import EMBEDDING, DistillTask
from limbeck.losses.term import Term
from limbeck.training.loop import fit
from limbeck.training.task import Task

config = DistillConfig.read_changed(sys.argv[1])
ready = prepare(config)
examples, rows = ready.splits.train.examples, ready.splits.rows["train"]


class Scores(Task):
    """Cosines of pairs, which follow one another in a batch, against their scores."""

    def __init__(self, judged: DistillTask) -> None:
        super().__init__({"squares": 1.0})
        self.judged = judged

    def forward(self, batch: Batch) -> dict[str, Term]:
        """The squared errors."""
        vectors = self.judged.speak(batch).hidden[EMBEDDING]
        cosines = torch.cosine_similarity(vectors[0::2], vectors[1::2])
        return {"squares": Term.over((cosines - batch["score"]).square())}


def collate(pairs: list[int]) -> dict[str, Any]:
    """Both sentences of each pair, one after the other."""
    batch = ready.splits.train.collator([(at, examples[at]) for pair in pairs for at in (2 * pair, 2 * pair + 1)])
    return {**batch, "score": torch.tensor([float(rows[pair].values["score"]) / 5 for pair in pairs])}


judged = DistillTask("embedding", ready.student, None, None)
print("before", final_metrics(ready, "test", judged))
generator = torch.Generator().manual_seed(config.plan.seed)
pairs: Any = range(len(rows))
loader: Any = DataLoader(
    pairs, batch_size=config.batch_size // 2, shuffle=True, collate_fn=collate, generator=generator
)
fit(Scores(judged), loader, config.plan, progress=False)
print("on scores alone", {split: final_metrics(ready, split, judged) for split in ("val", "test")})
