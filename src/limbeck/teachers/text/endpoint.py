"""A text teacher behind an endpoint that speaks OpenAI's protocol."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field

from limbeck.errors import LimbeckError
from limbeck.settings import Settings
from limbeck.teachers.text.base import Answer, BudgetError, EndpointError, Prompt, TextSettings, messages_of
from limbeck.teachers.text.budget import Budget, Limits
from limbeck.teachers.text.cache import AnswerCache, answer_key

if TYPE_CHECKING:
    from openai import OpenAI

Seconds = Annotated[float, Field(gt=0)]
_AGAIN = {408, 409, 425, 429}
_OVERHEAD = 16  # tokens that a chat template may put around a message
_LONGEST = 200  # characters of an endpoint's own words in a message


class EndpointSettings(Settings):
    """Where an endpoint is, and how patiently it is asked.

    Args:
        model: The model's name there.
        base_url: Its address, up to ``/v1``; by default OpenAI's own, or what ``OPENAI_BASE_URL`` says.
        key_variable: The environment variable with the key. The key is read from there alone; an address of one's own
            may need none.
        concurrency: Requests under way at once.
        timeout: Seconds for one request.
        retries: How often a request that failed is sent again.
        backoff: Seconds before the first time; they double each time, and a random part of them is left out.
        longest_wait: Seconds between two times at most; also where the endpoint itself asks for more.
        limits: What may be spent by one teacher object; answers from the cache cost nothing.

    Raises:
        LimbeckError: A key is unknown or a value is not possible.
    """

    model: str
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    concurrency: Annotated[int, Field(gt=0)] = 8
    timeout: Seconds = 120.0
    retries: Annotated[int, Field(ge=0)] = 5
    backoff: Seconds = 1.0
    longest_wait: Seconds = 60.0
    limits: Limits = Field(default_factory=Limits)


class _Unusable(Exception):
    """An answer that cannot be used, whether to ask again, and what the endpoint wants to be waited for."""

    def __init__(self, reason: str, *, again: bool = True, wait: float | None = None) -> None:
        super().__init__(reason)
        self.again, self.wait = again, wait


class EndpointTeacher:
    """A text teacher behind an OpenAI-compatible endpoint.

    What is not an answer (no connection, a timeout, status 408, 409, 425, 429 or 5xx, HTML, JSON without choices) is
    asked for again; what will not change (a wrong key, a model that is not there) is an error at once. Every answer is
    on the disk as soon as it is there, and none is asked for twice: a run that broke off is run again.

    Args:
        settings: Where and how.
        cache: The file of answers.

    Raises:
        LimbeckError: The package `openai` or the key is missing, or the cache cannot be used.
    """

    def __init__(self, settings: EndpointSettings, cache: str | Path) -> None:
        self.settings = settings
        self._key = os.environ.get(settings.key_variable, "")
        self._client = self._make_client()
        self.cache = AnswerCache(cache)
        self.budget = Budget(settings.limits)

    def complete(self, prompts: Sequence[Prompt], settings: TextSettings | None = None) -> list[Answer]:
        """Answer prompts, in their order; one that is there twice is asked once.

        Args:
            prompts: Texts or conversations.
            settings: How answers are sampled.

        Raises:
            BudgetError: The limits do not allow all; the answers that there are, are in the cache.
            EndpointError: A request failed for good; likewise.
            OSError: An answer cannot be written to the cache.
        """
        sampling = settings or TextSettings()
        asked = [messages_of(prompt) for prompt in prompts]
        keys = [answer_key(self.settings.model, messages, sampling) for messages in asked]
        found = {key: answer for key in keys if (answer := self.cache.find(key)) is not None}
        todo = {key: messages for key, messages in zip(keys, asked, strict=True) if key not in found}
        stopped = threading.Event()

        def fetch(key: str) -> None:
            if stopped.is_set():
                return
            try:
                found[key] = self._answer(key, todo[key], sampling, stopped)
            except BaseException:
                stopped.set()
                raise

        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            futures = [pool.submit(fetch, key) for key in todo]
            try:
                errors = [future.exception() for future in futures]
            except BaseException:
                stopped.set()  # Ctrl-C: what waits is not sent, what is under way is kept
                raise
        if failed := [error for error in errors if error is not None]:
            error = failed[0]
            if isinstance(error, LimbeckError):
                there = sum(key in found for key in keys)
                raise type(error)(f"{error} ({there:,} of {len(keys):,} answers are in {self.cache.path})") from None
            raise error
        return [found[key] for key in keys]

    def close(self) -> None:
        """Close connections and the cache."""
        self._client.close()
        self.cache.close()

    def __enter__(self) -> EndpointTeacher:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _make_client(self) -> OpenAI:
        try:
            from openai import OpenAI
        except ImportError:
            raise LimbeckError("text endpoints need the package openai: pip install 'limbeck[openai]'") from None
        named = self.settings.base_url or os.environ.get("OPENAI_BASE_URL")
        if not self._key and not named:
            raise LimbeckError(f"the environment variable {self.settings.key_variable} is not set: it has the API key")
        # Its own retries know nothing of answers that are no answers.
        return OpenAI(api_key=self._key or "none", base_url=named or None, timeout=self.settings.timeout, max_retries=0)

    def _answer(
        self, key: str, messages: list[dict[str, str]], sampling: TextSettings, stopped: threading.Event
    ) -> Answer:
        # No tokenizer makes more tokens than there are bytes.
        prompt = sum(len(one["content"].encode("utf-8", "surrogatepass")) + _OVERHEAD for one in messages)
        reserved = prompt, sampling.max_tokens
        for attempt in range(self.settings.retries + 1):
            if not self.budget.reserve(*reserved):
                raise BudgetError(f"{self.settings.model}: the budget does not allow one more: {self.budget.told()}")
            spent = (0, 0)
            try:
                answer = self._ask(messages, sampling, reserved)
                spent = answer.prompt_tokens, answer.completion_tokens
                self.cache.keep(key, answer)
                return answer
            except _Unusable as error:
                failure = error
            finally:
                self.budget.settle(reserved, spent)
            if not failure.again:
                break
            wait = min(self.settings.backoff * 2**attempt, self.settings.longest_wait)
            wait *= random.uniform(0.5, 1.0)
            if failure.wait is not None:
                wait = max(wait, min(failure.wait, self.settings.longest_wait))
            if attempt < self.settings.retries and stopped.wait(wait):
                break
        tried = f" after {attempt + 1} attempts" if attempt else ""
        raise EndpointError(f"{self.settings.model} at {self._client.base_url}: {failure}{tried}")

    def _ask(self, messages: list[dict[str, str]], sampling: TextSettings, most: tuple[int, int]) -> Answer:
        from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

        more: dict[str, Any] = {"stop": list(sampling.stop)} if sampling.stop else {}
        try:
            response = self._client.chat.completions.with_raw_response.create(
                model=self.settings.model,
                messages=cast(Any, messages),  # one class a role, which are dictionaries like these
                max_tokens=sampling.max_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=sampling.seed,
                **more,
            )
            text = response.http_response.text
        except APITimeoutError:
            raise _Unusable(f"no answer within {self.settings.timeout:g} seconds") from None
        except APIConnectionError as error:
            raise _Unusable(f"no connection ({self._told(str(error.__cause__ or error))})") from None
        except APIStatusError as error:
            again = error.status_code in _AGAIN or error.status_code >= 500
            wait = _seconds(error.response.headers.get("retry-after"))
            told = f"status {error.status_code} ({self._told(error.response.text)})"
            raise _Unusable(told, again=again, wait=wait) from None
        except OpenAIError as error:
            raise _Unusable(self._told(str(error))) from None
        return self._parsed(text, most)

    def _parsed(self, text: str, most: tuple[int, int]) -> Answer:
        """An answer out of the body; what does not say how much it cost counts as the most that it can have."""
        try:
            body = json.loads(text)
        except ValueError:
            raise _Unusable(f"the answer is not JSON ({self._told(text)})") from None
        try:
            choice = body["choices"][0]
            content = choice["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise _Unusable(f"the answer has no choice with a message ({self._told(text)})") from None
        if not isinstance(content, str):
            raise _Unusable(f"the message has no text ({self._told(text)})")
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        prompt, completion = (
            count if type(count) is int and count >= 0 else bound for count, bound in zip(counts, most, strict=True)
        )
        return Answer(content, str(choice.get("finish_reason") or "stop"), prompt, completion)

    def _told(self, text: str) -> str:
        """The endpoint's own words, on one line, short, and without the key."""
        line = " ".join(text.split())
        if self._key:
            line = line.replace(self._key, "***")
        return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
