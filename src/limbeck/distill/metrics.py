"""How well a model does on held-out rows, in its task's own terms."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.batch import IGNORED, Batch
from limbeck.distill.prepare import Ready
from limbeck.distill.task import EMBEDDING, DistillTask, right_answers
from limbeck.errors import LimbeckError
from limbeck.losses.term import Term, add_terms
from limbeck.signals import Signals

Array = NDArray[np.float64]


@torch.no_grad()
def final_metrics(ready: Ready, split: Literal["val", "test"], task: DistillTask | None = None) -> dict[str, float]:
    """Measure a model.

    Args:
        ready: The data, and the student that is measured unless another is given.
        split: On which rows.
        task: Another model, such as the teacher.

    Returns:
        Means of the task's terms (cross-entropy, ``kl`` and ``agreement`` with the teacher, accuracy), perplexity for
        language models, macro-F1 for classes, Spearman's correlation for scored pairs.
    """
    measured = task or ready.task
    loader = getattr(ready.splits, split).loader(shuffle=False)
    device = next(measured.parameters()).device
    was_training = measured.training
    measured.eval()
    sums: dict[str, Term] = {}
    right: list[Tensor] = []
    vectors: dict[int, Tensor] = {}
    for batch in loader:
        batch = {name: value.to(device) for name, value in batch.items()}
        said, terms = measured.judge(batch)
        sums = add_terms([sums, terms])
        if measured.name.endswith("classification"):
            right.append(_pairs(said, batch))
        elif measured.name == EMBEDDING:
            vectors |= dict(zip(batch["row"].tolist(), said.hidden[EMBEDDING].cpu(), strict=True))
    measured.train(was_training)
    found = {name: float(term.mean()) for name, term in sums.items()}
    if measured.name in ("causal-lm", "seq2seq"):
        found["perplexity"] = math.exp(min(found["cross_entropy"], 700.0))
    if right:
        found["macro_f1"] = macro_f1(torch.cat(right).cpu().numpy(), len(ready.splits.labels))
    if vectors:
        found |= _correlation(ready, split, torch.stack([vectors[at] for at in sorted(vectors)]))
    return found


def macro_f1(pairs: NDArray[np.int64], classes: int) -> float:
    """The mean over classes of F1; a class that neither occurs nor is predicted does not count.

    Args:
        pairs: ``(items, 2)``: the right class and the predicted one.
        classes: How many there are.

    Example:
        >>> macro_f1(np.array([[0, 0], [1, 1], [1, 0]]), 3)
        0.6666666666666666
    """
    table = np.zeros((classes, classes))
    np.add.at(table, (pairs[:, 0], pairs[:, 1]), 1)
    sizes = table.sum(0) + table.sum(1)
    present = sizes > 0
    return float((2 * table.diagonal()[present] / sizes[present]).mean()) if present.any() else 0.0


def spearman(first: Array, second: Array) -> float:
    """Spearman's rank correlation; ties share their mean rank, and what does not vary has none with anything.

    Example:
        >>> round(spearman(np.array([1.0, 2.0, 3.0, 3.0]), np.array([0.1, 0.2, 0.9, 0.9])), 6)
        1.0
    """
    import pandas

    found = float(pandas.Series(first).rank().corr(pandas.Series(second).rank()))
    return found if math.isfinite(found) else 0.0


def _pairs(said: Signals, batch: Batch) -> Tensor:
    assert isinstance(said.logits, Tensor)
    targets = right_answers(batch)
    counts = targets != IGNORED
    return torch.stack([targets[counts], said.logits.argmax(-1)[counts]], dim=1)


def _correlation(ready: Ready, split: str, vectors: Tensor) -> dict[str, float]:
    """Of cosine and score, where rows are scored pairs; their texts follow one another among the examples."""
    columns, rows = ready.config.data.columns, ready.splits.rows[split]
    score, second = columns.get("score", "score"), columns.get("text_pair", "text_pair")
    if not all(score in row.values and second in row.values for row in rows):
        return {}
    cosines = torch.cosine_similarity(vectors[0::2], vectors[1::2]).double().numpy()
    return {"spearman": spearman(cosines, np.array([_number(row.values[score], row.where) for row in rows]))}


def _number(value: Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise LimbeckError(f"{where}: the score is {value!r}, expected a number") from None
