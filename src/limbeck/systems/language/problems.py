"""Word problems, a solver that answers them in text as a large model would, and the reading of its answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from limbeck.teachers.text.base import Answer, Prompt, TextSettings, messages_of
from limbeck.world.language.vocabulary import END, PAD, START, Vocabulary
from limbeck.world.streams import hashed

DIRECT = "Answer with a number."
STEPS = "Think step by step, then answer with a number."

_WHO = (("a boy", "he"), ("a girl", "she"), ("a man", "he"), ("a woman", "she"))
_THINGS = ("apples", "books", "balls", "hats", "tulips", "boxes")
_MORE, _LESS = ("buys", "finds", "picks"), ("sells", "loses", "hides")


class Problem(NamedTuple):
    """A word problem: what somebody has, and what changes it; never below 0 nor above 9.

    Args:
        start: At first.
        changes: What is added, one a step.
        text: In words.
    """

    start: int
    changes: tuple[int, ...]
    text: str

    @property
    def totals(self) -> tuple[int, ...]:
        """What there is after each step."""
        return tuple(self.start + sum(self.changes[: step + 1]) for step in range(len(self.changes)))

    @property
    def answer(self) -> int:
        """What there is at the end."""
        return self.totals[-1]

    def rationale(self) -> str:
        """*3 + 4 = 7 ; 7 - 2 = 5 ;*."""
        before = (self.start, *self.totals)
        return " ".join(
            f"{old} {'+' if change > 0 else '-'} {abs(change)} = {new} ;"
            for old, change, new in zip(before, self.changes, self.totals, strict=False)
        )


def problems(stream: int, count: int, steps: Sequence[int], *, seed: int = 0) -> list[Problem]:
    """Problems that depend on seed, stream and their number alone.

    Args:
        stream: Another one for each split.
        count: How many.
        steps: Numbers of steps, each as likely.
        seed: Another seed is other problems.
    """
    return [
        _problem([int(word) for word in hashed(seed, 5000 + stream, row, np.arange(40))], steps) for row in range(count)
    ]


def _problem(drawn: list[int], steps: Sequence[int]) -> Problem:
    words = iter(drawn)
    (who, pronoun), thing = _WHO[next(words) % len(_WHO)], _THINGS[next(words) % len(_THINGS)]
    start = total = next(words) % 10
    changes, said = [], [f"{who} has {start} {thing} ."]
    for _ in range(steps[next(words) % len(steps)]):
        possible = [change for change in range(-5, 6) if change and 0 <= total + change <= 9]
        change = possible[next(words) % len(possible)]
        verbs = _MORE if change > 0 else _LESS
        said.append(f"{pronoun} {verbs[next(words) % len(verbs)]} {abs(change)} .")
        changes.append(change)
        total += change
    return Problem(start, tuple(changes), " ".join([*said, "how many ?"]))


@dataclass
class Solver:
    """A text teacher that reads a problem and reckons; what it gets wrong depends on the prompt alone.

    Args:
        direct: The share of right answers to the short prompt.
        by_steps: The share of right steps of the long one.
        mumbled: The share of answers that say nothing that can be read.
    """

    direct: float = 0.7
    by_steps: float = 0.985
    mumbled: float = 0.02

    def complete(self, prompts: Sequence[Prompt], settings: TextSettings | None = None) -> list[Answer]:
        """Answer prompts, in their order; settings change nothing."""
        return [self._answer(messages_of(prompt)[-1]["content"]) for prompt in prompts]

    def _answer(self, prompt: str) -> Answer:
        instruction, _, text = prompt.partition("\n")
        chances = np.random.default_rng(list(prompt.encode()))
        problem = read_problem(text)
        if chances.random() < self.mumbled:
            said = "that is hard to say"
        elif instruction == STEPS:
            said = self._steps(problem, chances)
        else:
            right = chances.random() < self.direct
            said = f"answer {problem.answer if right else int(chances.integers(10))}"
        return Answer(said, "stop", len(prompt.split()), len(said.split()))

    def _steps(self, problem: Problem, chances: np.random.Generator) -> str:
        said, total = [], problem.start
        for change in problem.changes:
            new = total + change
            if chances.random() >= self.by_steps:
                new = int(chances.integers(10))
            said.append(f"{total} {'+' if change > 0 else '-'} {abs(change)} = {new} ;")
            total = new
        return " ".join([*said, f"answer {total}"])


def read_problem(text: str) -> Problem:
    """A problem from its words.

    Raises:
        ValueError: There is none in them.
    """
    numbers = [(verb, int(number)) for verb, number in re.findall(r"(\w+) (\d)", text)]
    if not numbers or numbers[0][0] != "has":
        raise ValueError(f"no problem: {text!r}")
    changes = tuple(number if verb in _MORE else -number for verb, number in numbers[1:])
    return Problem(numbers[0][1], changes, text)


_ANSWER = re.compile(r"(?P<rationale>(?:\d [+-] \d = -?\d+ ; )*)answer (?P<label>\d)")


def read_answer(text: str) -> tuple[str, int] | None:
    """Rationale and label of an answer; None where it cannot be read.

    Example:
        >>> read_answer("3 + 4 = 7 ; answer 7"), read_answer("answer 12"), read_answer("seven")
        (('3 + 4 = 7 ;', 7), None, None)
    """
    found = _ANSWER.fullmatch(text.strip())
    return None if found is None else (found["rationale"].strip(), int(found["label"]))


@lru_cache(maxsize=1)
def problem_vocabulary() -> Vocabulary:
    """The words of problems and answers."""
    said = ["has", "how", "many", "?", ".", "+", "-", "=", ";", "answer"]
    people = [word for who in _WHO for part in who for word in part.split()]
    return Vocabulary((PAD, START, END, *sorted({*said, *people, *_THINGS, *_MORE, *_LESS, *"0123456789"})))
