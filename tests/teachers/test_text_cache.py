from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from limbeck.errors import LimbeckError
from limbeck.teachers.text.base import Answer, TextSettings, messages_of
from limbeck.teachers.text.cache import AnswerCache, answer_key

ANSWERS = {f"{number}": Answer(f"Zeile\n{number} \u2028 'ü'", "stop", number, 2) for number in range(3)}


def written(path: Path) -> Path:
    with AnswerCache(path) as cache:
        for key, answer in ANSWERS.items():
            cache.keep(key, answer)
    return path


def found(path: Path) -> dict[str, str]:
    with AnswerCache(path) as cache:
        return {key: answer.text for key in ANSWERS if (answer := cache.find(key)) is not None}


def test_answers_are_found_again(tmp_path: Path) -> None:
    path = written(tmp_path / "new" / "answers.jsonl")
    assert found(path) == {key: answer.text for key, answer in ANSWERS.items()}
    assert path.read_text().count("\n") == 3


@pytest.mark.parametrize("cut", [1, 2, 30, 70])
def test_a_last_line_cut_short_is_removed(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "answers.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert set(found(path)) == {"0", "1"}
    with AnswerCache(path) as cache:
        cache.keep("2", ANSWERS["2"])
    assert path.read_bytes() == whole


def test_a_last_line_of_something_else_is_removed(tmp_path: Path) -> None:
    path = written(tmp_path / "answers.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole + b"\x00\x00\x00\n")
    assert set(found(path)) == {"0", "1", "2"}
    assert path.read_bytes() == whole


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"key": "3"}', b'{"key": 1, "text": 2}', b"\xff"])
def test_another_damaged_line_is_told(tmp_path: Path, line: bytes) -> None:
    path = written(tmp_path / "answers.jsonl")
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], line, *lines[1:], b""]))
    with pytest.raises(LimbeckError, match=r"answers.jsonl, line 2: is not an answer"):
        AnswerCache(path)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswerCache(path), pytest.raises(LimbeckError, match="in use by another process"):
        AnswerCache(path)
    assert found(path) == {}


def test_the_key_is_of_all_that_an_answer_depends_on() -> None:
    settings = TextSettings()
    changes: list[dict[str, Any]] = [
        {"max_tokens": 3},
        {"temperature": 1.0},
        {"top_p": 0.5},
        {"seed": 1},
        {"stop": ("a",)},
    ]
    base = answer_key("m", messages_of("a"), settings)
    assert base == answer_key("m", [{"content": "a", "role": "user"}], TextSettings(seed=0))
    others = [
        answer_key("n", messages_of("a"), settings),
        answer_key("m", messages_of("b"), settings),
        answer_key("m", [{"role": "system", "content": "a"}], settings),
        *(answer_key("m", messages_of("a"), TextSettings(**change)) for change in changes),
    ]
    assert len({base, *others}) == len(others) + 1


CRASH = """
import os, resource, signal, sys
from limbeck.teachers.text.base import Answer
from limbeck.teachers.text.cache import AnswerCache
cache = AnswerCache(sys.argv[1])
cache.keep("0", Answer("kept", "stop", 1, 1))
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
try:
    cache.keep("1", Answer("x" * 500, "stop", 1, 1))
except OSError as error:
    sys.exit(f"{error.filename}: {error.strerror}")
"""


@pytest.mark.parametrize("how", ["kill", "full"])
def test_a_crash_or_a_full_disk_loses_nothing(tmp_path: Path, how: str) -> None:
    path = tmp_path / "answers.jsonl"
    done = subprocess.run([sys.executable, "-c", CRASH, str(path), how], capture_output=True, text=True, timeout=60)
    if how == "kill":
        assert done.returncode == -signal.SIGKILL
    else:
        assert done.stderr == f"{path}: {os.strerror(27)}\n"
    assert found(path) == {"0": "kept"}
    assert path.read_bytes().endswith(b"\n")
