"""Tasks that are told by demonstrations: each maps symbols to labels at random."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.batch import IGNORED

SYMBOLS, LABELS, DEMONSTRATIONS, ASKED = 12, 4, 8, 4
_ASK = SYMBOLS * LABELS
_ANSWER = _ASK + SYMBOLS
TOKENS = _ANSWER + LABELS
"""A demonstration is one word for symbol and label; a question is a symbol, and an answer a label."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """Demonstrations, and questions with their answers.

    Args:
        demonstrations: ``(prompts, demonstrations)``.
        questions: Questions and answers in turn, ``(prompts, 2 * asked)``.
        labels: What follows each question; after an answer nothing is learnt. Shaped as the questions.
    """

    demonstrations: Int[Tensor, "prompts demonstrations"]
    questions: Int[Tensor, "prompts words"]
    labels: Int[Tensor, "prompts words"]

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def following(self) -> Int[Tensor, "prompts words"]:
        """What follows each question and each answer, which is what a language model learns."""
        return torch.cat([self.questions[:, 1:], torch.full_like(self.questions[:, :1], IGNORED)], dim=1)


def mappings(count: int, seed: int) -> Int[Tensor, "tasks symbols"]:
    """The label of each symbol, for each task."""
    return torch.randint(0, LABELS, (count, SYMBOLS), generator=torch.Generator().manual_seed(seed))


def prompts(tasks: Int[Tensor, "tasks symbols"], each: int, *, seed: int) -> Prompts:
    """Prompts about tasks, with demonstrations and questions drawn anew for each.

    Only what a demonstration tells is asked, and nothing twice.

    Args:
        tasks: Of :func:`mappings`.
        each: Prompts a task, one after the other.
        seed: Decides what is demonstrated and asked.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = tasks.repeat_interleave(each, dim=0)
    order = torch.rand(rows.shape, generator=generator).argsort(1)
    shown = order[:, :DEMONSTRATIONS]
    asked = shown.gather(1, torch.rand(shown.shape, generator=generator).argsort(1)[:, :ASKED])
    answers = _ANSWER + rows.gather(1, asked)
    questions = torch.stack([_ASK + asked, answers], dim=-1).flatten(1)
    labels = torch.stack([answers, torch.full_like(answers, IGNORED)], dim=-1).flatten(1)
    return Prompts(shown * LABELS + rows.gather(1, shown), questions, labels)


def as_questions(demonstrations: Int[Tensor, "prompts demonstrations"]) -> tuple[Tensor, Tensor]:
    """What demonstrations tell, as questions and answers in turn, and what follows each question."""
    asked, answers = _ASK + demonstrations // LABELS, _ANSWER + demonstrations % LABELS
    labels = torch.stack([answers, torch.full_like(answers, IGNORED)], dim=-1)
    return torch.stack([asked, answers], dim=-1).flatten(1), labels.flatten(1)


def chosen(logits: Tensor) -> Int[Tensor, "prompts asked"]:
    """The likeliest answer after each question, as a word.

    Args:
        logits: At the places of questions and answers, ``(prompts, 2 * asked, TOKENS)``.
    """
    return _ANSWER + logits[:, ::2, _ANSWER:].argmax(-1)
