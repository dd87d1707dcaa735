"""Answers on disk, so that none is paid for twice and a crash loses none."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from limbeck.errors import LimbeckError
from limbeck.teachers.text.base import Answer, TextSettings

_FIELDS = {"text": str, "finish": str, "prompt_tokens": int, "completion_tokens": int}


class AnswerCache:
    """A file with one answer a line, by a key of what it answers.

    Each answer is on the disk before the next is asked for. A last line that a crash cut short is removed.

    Args:
        path: A ``.jsonl`` file; it is made where it does not exist.

    Raises:
        LimbeckError: A line but the last is damaged, or another process uses the file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "answers.jsonl"
        >>> key = answer_key("model", [{"role": "user", "content": "Hello."}], TextSettings())
        >>> with AnswerCache(path) as cache:
        ...     cache.keep(key, Answer("Good day.", "stop", 2, 3))
        >>> with AnswerCache(path) as cache:
        ...     cache.find(key)
        Answer(text='Good day.', finish='stop', prompt_tokens=2, completion_tokens=3, cached=True)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=0)
        try:
            self.lock.acquire()
        except Timeout:
            raise LimbeckError(f"{self.path}: is in use by another process") from None
        try:
            self._answers = self._read()
        except BaseException:
            self.lock.release()
            raise
        self._file = self.path.open("ab", buffering=0)
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, key: str) -> Answer | None:
        """The answer of a key; None where there is none."""
        return self._answers.get(key)

    def keep(self, key: str, answer: Answer) -> None:
        """Write an answer, and see it onto the disk.

        Raises:
            OSError: It cannot be written, as on a full disk.
        """
        values = {name: value for name, value in asdict(answer).items() if name != "cached"}
        line = (json.dumps({"key": key, **values}, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        with self._writing:
            end, left = os.fstat(self._file.fileno()).st_size, line
            try:
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
            except OSError as error:
                os.truncate(self.path, end)
                raise OSError(error.errno, error.strerror, str(self.path)) from None
            self._answers[key] = replace(answer, cached=True)

    def close(self) -> None:
        """Let others use the file."""
        self._file.close()
        self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> dict[str, Answer]:
        if not self.path.exists():
            return {}
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)
        answers = {}
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                values = json.loads(line.decode("utf-8", "surrogatepass"))
                key = values.pop("key")
                if {name: type(value) for name, value in values.items()} != _FIELDS:
                    raise ValueError(f"its keys are {', '.join(map(repr, values))}")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if number == content[:whole].count(b"\n"):
                    os.truncate(self.path, whole - len(line) - 1)
                    break
                raise LimbeckError(f"{self.path}, line {number}: is not an answer ({error})") from None
            answers[key] = Answer(**values, cached=True)
        return answers


def answer_key(model: str, messages: Sequence[Mapping[str, str]], settings: TextSettings) -> str:
    """What an answer is found by: all that it depends on."""
    asked = {"model": model, "messages": [dict(one) for one in messages], "settings": settings.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
