"""Every benchmark starts as its docstring says: as a script, from the repository's root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py") if path.name != "processes.py")


def started(script: str, arguments: str) -> str:
    command = [sys.executable, f"benchmarks/{script}", *arguments.split()]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_benchmarks_start(script: str) -> None:
    assert f"usage: {script}" in started(script, "--help")


def test_world_is_measured() -> None:
    assert "scenes/s of CPU time, image 16x16" in started("world.py", "--size 16 --batch 5 --batches 1")


@pytest.mark.slow
def test_measurements_have_processes_of_their_own() -> None:
    sizes = "--tokens 4 --vocabulary 50 --width 8 --items 4 --classes 3 --positions 5 --ranks 2"
    said = started("losses.py", f"{sizes} --rounds 1 --turns 2")
    assert said.count("| limbeck, chunked | ") == 2
    assert said.count("| limbeck | ") == 2


@pytest.mark.slow
def test_what_is_refused_is_told() -> None:
    said = started("vision.py", "uld --batch 4 --rounds 1 --turns 1")
    assert "| labels | " in said
    assert "Not measured: uld: " in said
