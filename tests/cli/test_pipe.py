"""Whatever comes through the pipe of `limbeck translate`: much, long, strange, or little at a time."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_translate import CODE, tiny, translations

STRANGE = [
    "two dogs \U0001f415\u200d\U0001f9ba and a \U0001f1e9\U0001f1ea flag",
    "a\x00man\x01 with \x1b[31mcontrol\x1b[0m characters\x7f",
    "\u202eright to left\u202c and a\u0301 combining mark",
    "\ud7ff\ue000 \U0010ffff at the edges",
    "\t",
    "</s> <pad> <s> <unk>",
    "x" * 50_000,
    "dogs " * 10_000,
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("model"))


def translate(model: Path, content: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", CODE, "translate", str(model), "--beam=1", "--threads=1", *arguments]
    return subprocess.run(command, input=content, capture_output=True, timeout=280)


def test_strange_lines_keep_their_places(model: Path) -> None:
    """Each gives one line, the same as alone; only the long ones are cut, and said to be."""
    lines = ["two dogs", *STRANGE, "a man"]
    done = translate(model, "".join(f"{line}\n" for line in lines).encode("utf-8"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split("\n")[:-1] == translations(model, lines, beams=1)
    told = [line.split(":")[1] for line in done.stderr.decode().splitlines()]
    assert told == [" sentence 8", " sentence 9"]


@pytest.mark.slow
def test_a_hundred_thousand_lines_take_no_more_memory_than_some(model: Path) -> None:
    def peak(lines: int) -> int:
        """Largest memory of any child so far, in KiB: a later one shows only if it is larger."""
        done = translate(model, b"two dogs and a man\n" * lines)
        assert (done.returncode, done.stdout.count(b"\n")) == (0, lines), done.stderr
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    some = peak(5_000)
    assert peak(100_000) < some + 64 * 1024
