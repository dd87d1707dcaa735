"""What is measured of a trained language model, a row of statistics for every item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from limbeck.distill.examples import Example
from limbeck.evaluation.metrics import Mean
from limbeck.evaluation.modes import EffectiveModes
from limbeck.systems.language.examples import Splits, all_words
from limbeck.systems.language.models import write
from limbeck.systems.measured import Column
from limbeck.world.language import Language

NLL = Mean("NLL", lower_is_better=True)
KL = Mean("KL to the teacher", lower_is_better=True)
VALID = Mean("valid", scale=100.0)
MODES = EffectiveModes()
TEACHER_NLL = Mean("teacher's NLL of samples", lower_is_better=True)


def likelihood(
    model: Any, teacher: Any | None, splits: Splits, examples: Sequence[Example], *, where: str = ""
) -> dict[str, Column]:
    """Held-out negative log-likelihood a word, in nats, and the mean of ``KL(teacher, model)`` at the same places.

    Args:
        model: Judged.
        teacher: Judges beside the words themselves; None leaves it at them.
        splits: Knows how batches are made.
        examples: Held out.
        where: Put behind the columns' names.
    """
    values = np.zeros((len(examples), 3))
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        for batch in splits.loader(examples, 100).loader(shuffle=False):
            ids, attended = batch["input_ids"].to(device), batch["attention_mask"].to(device)
            counted = batch["mask"].to(device)
            targets = batch["targets"].to(device).masked_fill(~counted, 0)
            log_q = F.log_softmax(model(input_ids=ids, attention_mask=attended, use_cache=False).logits, -1)
            nll = -log_q.gather(-1, targets.unsqueeze(-1)).squeeze(-1) * counted
            columns = [nll.sum(1), counted.sum(1)]
            if teacher is not None:
                log_p = F.log_softmax(teacher(input_ids=ids, attention_mask=attended, use_cache=False).logits, -1)
                columns.append((F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1) * counted).sum(1))
            values[batch["row"].numpy(), : len(columns)] = torch.stack(columns, 1).double().cpu().numpy()
    found: dict[str, Column] = {NLL.name + where: (NLL, values[:, [0, 1]])}
    return found if teacher is None else found | {KL.name + where: (KL, values[:, [2, 1]])}


def seen_before(train: Sequence[Example], held_out: Sequence[Example]) -> float:
    """The share of held-out texts that training texts begin with, word for word; of questions the prompts count.

    Example:
        >>> from limbeck.distill.examples import next_tokens
        >>> seen_before([next_tokens([1, 5, 2])], [next_tokens([1, 5, 2]), next_tokens([1, 6, 2])])
        0.5
        >>> seen_before([next_tokens([1, 5, 7, 2], prompt=2)], [next_tokens([1, 5, 8, 2], prompt=2)])
        1.0
    """
    asked = [tuple(one.input_ids[: one.prompt] or one.input_ids) for one in held_out]
    lengths = {len(one) for one in asked}
    known = {tuple(one.input_ids[:length]) for one in train for length in lengths if len(one.input_ids) >= length}
    return sum(one in known for one in asked) / max(1, len(asked))


def samples_of(model: Any, splits: Splits, number: int, *, seed: int, top_k: int = 0) -> list[list[int]]:
    """Texts that a model writes of itself, with their start."""
    start = splits.vocabulary.start
    return [[start, *ids] for ids in write(model, [[start]] * number, seed=seed, top_k=top_k)]


def quality(language: Language, samples: Sequence[Sequence[int]]) -> dict[str, Column]:
    """How many samples are texts of the language, in percent, and how many modes they cover."""
    modes = [language.mode_of(ids) for ids in samples]
    valid = VALID.of([float(mode is not None) for mode in modes])
    return {VALID.name: (VALID, valid), MODES.name: (MODES, MODES.statistics(modes, language.mode_names))}


def liked_by(teacher: Any, splits: Splits, samples: Sequence[Sequence[int]]) -> dict[str, Column]:
    """The teacher's negative log-likelihood a word of samples: high where a student says what the teacher never would.

    Args:
        teacher: Reads them.
        splits: Knows how batches are made.
        samples: With their start.
    """
    read = likelihood(teacher, None, splits, all_words(samples))
    return {TEACHER_NLL.name: (TEACHER_NLL, read[NLL.name][1])}
