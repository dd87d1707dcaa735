"""The contract of a text teacher: answers for prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from limbeck.errors import LimbeckError
from limbeck.settings import Settings

Prompt = str | Sequence[Mapping[str, str]]
"""A text, or the messages of a conversation, each with ``role`` and ``content``."""


class TextSettings(Settings):
    """How an answer is sampled. It has a part in the key under which an answer is kept.

    Args:
        max_tokens: Of an answer.
        temperature: 0 takes the likeliest token each time.
        top_p: Tokens are drawn from the fewest that have this mass together.
        seed: Another seed is another answer to the same prompt.
        stop: Texts that end an answer.

    Raises:
        LimbeckError: A key is unknown or a value is not possible.
    """

    max_tokens: Annotated[int, Field(gt=0)] = 512
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int = Field(default=0, ge=0)
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a text teacher answered.

    Args:
        text: The answer.
        finish: Why it ended: ``"stop"``, ``"length"``, ...
        prompt_tokens: As the teacher counts them.
        completion_tokens: Likewise.
        cached: Whether it was found on disk.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    cached: bool = False


class TextTeacher(Protocol):
    """Answers prompts in text."""

    def complete(self, prompts: Sequence[Prompt], settings: TextSettings | None = None) -> list[Answer]:
        """Answer prompts, in their order."""
        ...


class BudgetError(LimbeckError):
    """The tokens or the money that a user allowed are spent; what was answered is kept."""

    exit_code = 1


class EndpointError(LimbeckError):
    """An endpoint that gives no usable answer, however often it is asked; what was answered is kept."""

    exit_code = 1


def messages_of(prompt: Prompt) -> list[dict[str, str]]:
    """A prompt as messages; a text is what the user says.

    Raises:
        LimbeckError: A message has not just ``role`` and ``content``, both text.

    Example:
        >>> messages_of("Hello.")
        [{'role': 'user', 'content': 'Hello.'}]
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    messages = [dict(message) for message in prompt]
    for message in messages:
        if set(message) != {"role", "content"} or not all(isinstance(value, str) for value in message.values()):
            raise LimbeckError(f"prompt: a message has a 'role' and a 'content', both text; got keys {sorted(message)}")
    if not messages:
        raise LimbeckError("prompt: got no message")
    return messages
