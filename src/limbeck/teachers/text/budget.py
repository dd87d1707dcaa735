"""What a text teacher may cost, and what it has cost."""

from __future__ import annotations

import threading
from typing import Annotated, Self

from pydantic import Field, model_validator

from limbeck.settings import Settings

Amount = Annotated[float, Field(ge=0)]


class Limits(Settings):
    """What may be spent; a run that would spend more stops, and what it has done is kept.

    Args:
        tokens: Of prompts and answers together.
        cost: In the currency of the prices.
        input_price: Of a million tokens of prompts.
        output_price: Of a million tokens of answers.

    Raises:
        LimbeckError: A key is unknown, a value is not possible, or there is a ``cost`` without prices.
    """

    tokens: Annotated[int, Field(gt=0)] | None = None
    cost: Amount | None = None
    input_price: Amount | None = None
    output_price: Amount | None = None

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.cost is not None and (self.input_price is None or self.output_price is None):
            raise ValueError("'cost' needs 'input_price' and 'output_price', of a million tokens each")
        return self

    def price(self, prompt: int, completion: int) -> float:
        """What so many tokens cost; 0 where there are no prices."""
        return (prompt * (self.input_price or 0.0) + completion * (self.output_price or 0.0)) / 1e6


class Budget:
    """Counts what is spent, and sets aside what requests under way may still spend.

    As the most that a request can cost is set aside before it is sent, a limit is not passed, however many requests are
    under way.

    Args:
        limits: What may be spent.

    Example:
        >>> budget = Budget(Limits(tokens=100))
        >>> budget.reserve(20, 50), budget.settle((20, 50), (20, 10)), budget.tokens
        (True, None, 30)
        >>> budget.reserve(1, 80)
        False
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.prompt_tokens = self.completion_tokens = self.requests = 0
        self._aside = [0, 0]
        self._under_way = 0
        self._changed = threading.Condition()

    @property
    def tokens(self) -> int:
        """Spent so far."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost(self) -> float:
        """Spent so far, in the currency of the prices."""
        return self.limits.price(self.prompt_tokens, self.completion_tokens)

    def reserve(self, prompt: int, completion: int) -> bool:
        """Set tokens aside; waits while requests under way might leave enough, and says False when none can."""
        with self._changed:
            while not self._fits(prompt, completion):
                if not self._under_way:
                    return False
                self._changed.wait()
            self._aside[0] += prompt
            self._aside[1] += completion
            self._under_way += 1
            return True

    def settle(self, reserved: tuple[int, int], spent: tuple[int, int]) -> None:
        """Give back what was set aside, and count what was spent of it."""
        with self._changed:
            self._aside[0] -= reserved[0]
            self._aside[1] -= reserved[1]
            self._under_way -= 1
            self.prompt_tokens += spent[0]
            self.completion_tokens += spent[1]
            self.requests += 1
            self._changed.notify_all()

    def told(self) -> str:
        """What was spent, and what may be."""
        most = "" if self.limits.tokens is None else f" of {self.limits.tokens:,}"
        parts = [f"{self.tokens:,}{most} tokens"]
        if self.limits.input_price is not None or self.limits.output_price is not None:
            most = "" if self.limits.cost is None else f" of {self.limits.cost:g}"
            parts.append(f"{self.cost:.4f}{most} in cost")
        return ", ".join(parts)

    def _fits(self, prompt: int, completion: int) -> bool:
        inputs = self.prompt_tokens + self._aside[0] + prompt
        outputs = self.completion_tokens + self._aside[1] + completion
        limits = self.limits
        return (limits.tokens is None or inputs + outputs <= limits.tokens) and (
            limits.cost is None or limits.price(inputs, outputs) <= limits.cost
        )
