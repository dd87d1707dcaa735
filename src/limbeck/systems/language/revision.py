"""Samples of the student, corrected once by the teacher and gone on with by the student (SCRG)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.batch import Batch
from limbeck.data.batching import pad_ids
from limbeck.distill.config import Sampling
from limbeck.distill.examples import Example, next_tokens
from limbeck.distill.sampling import StudentSampler
from limbeck.systems.language.models import LONGEST, write
from limbeck.world.language.vocabulary import Vocabulary


class Ends:
    """What a sampler asks a tokenizer for."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.pad_token_id, self.eos_token_id = vocabulary.pad, vocabulary.end


class RevisedSampler(StudentSampler):
    """Lets the student write a share of the batches, and the teacher correct each sample where the two differ most.

    Args:
        share: Of the batches.
        vocabulary: Tells padding and end.
        teacher: Corrects; None leaves samples as they are.
    """

    labelled = True

    def __init__(self, share: float, vocabulary: Vocabulary, teacher: Any = None) -> None:
        super().__init__(Sampling(share=share, max_new_tokens=30), Ends(vocabulary), LONGEST)
        self.__dict__["teacher"] = teacher  # not a submodule: the teacher is neither trained nor kept

    @torch.no_grad()
    def _completed(self, batch: Batch, student: Any) -> list[Example]:
        examples = super()._completed(batch, student)
        teacher = self.__dict__["teacher"]
        if teacher is None:
            return examples
        prompts = [example.input_ids[: example.prompt] for example in examples]
        written = [example.input_ids[example.prompt :] for example in examples]
        seed = int(torch.randint(2**31, ()))
        revised = revise(student, teacher, prompts, written, end=self.end, seed=seed)
        return [
            next_tokens([*prompt, *rest], prompt=len(prompt)) for prompt, rest in zip(prompts, revised, strict=True)
        ]


@torch.no_grad()
def revise(
    student: Any, teacher: Any, prompts: list[list[int]], completions: list[list[int]], *, end: int, seed: int
) -> list[list[int]]:
    """Correct each completion once.

    Of the places where the teacher's likeliest word is not the one written, that with the greatest ``KL(p, q)`` gets
    the teacher's word; what comes after it the student writes anew. Where they agree throughout, nothing changes: the
    paper leaves that case open.

    Args:
        student: Wrote them.
        teacher: Corrects.
        prompts: What was given.
        completions: What was written.
        end: The id of the end.
        seed: Of the student's drawing.
    """
    places, words = corrections(student, teacher, prompts, completions)
    revised, open_rows, prefixes = [], [], []
    for row, (prompt, completion, place, word) in enumerate(
        zip(prompts, completions, places.tolist(), words.tolist(), strict=True)
    ):
        kept = completion if place < 0 else [*completion[:place], word]
        revised.append(kept)
        if place >= 0 and word != end and len(prompt) + len(kept) < LONGEST:
            open_rows.append(row)
            prefixes.append([*prompt, *kept])
    if open_rows:
        rests = write(student, prefixes, seed=seed, most=30)
        for row, rest in zip(open_rows, rests, strict=True):
            revised[row] = [*revised[row], *rest]
    return revised


@torch.no_grad()
def corrections(
    student: Any, teacher: Any, prompts: list[list[int]], completions: list[list[int]]
) -> tuple[Tensor, Tensor]:
    """Where each completion is to be corrected (-1 for nowhere), and the teacher's word there.

    Returns:
        The place in the completion, ``(rows,)``, and the word, ``(rows,)``.
    """
    ids, real = pad_ids([[*p, *c] for p, c in zip(prompts, completions, strict=True)], 0)
    device = next(student.parameters()).device
    inputs = {"input_ids": ids.to(device), "attention_mask": real.long().to(device), "use_cache": False}
    was_training = student.training
    log_q, log_p = (F.log_softmax(model.eval()(**inputs).logits[:, :-1], -1).cpu() for model in (student, teacher))
    student.train(was_training)
    place = torch.arange(ids.shape[1] - 1) + 1
    begin = torch.tensor([len(prompt) for prompt in prompts])[:, None]
    likeliest = log_p.argmax(-1)
    differs = (likeliest != ids[:, 1:]) & real[:, 1:] & (place >= begin)
    gap = (log_p.exp() * (log_p - log_q)).sum(-1).masked_fill(~differs, -1.0)
    worst = gap.argmax(1)
    found = torch.where(differs.any(1), worst + 1 - begin[:, 0], -1)
    return found, likeliest.gather(1, worst[:, None])[:, 0]
