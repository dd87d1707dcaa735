"""Every example in `examples/distill` runs as it stands, beside a teacher and data."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import pytest
import yaml

from limbeck.cli.app import execute
from limbeck.distill.config import TaskName
from tests.distill.toys import project

EXAMPLES = Path(__file__).parents[2] / "examples" / "distill"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_runs(tmp_path: Path, path: Path) -> None:
    task = yaml.safe_load(path.read_text(encoding="utf-8"))["task"]
    project(tmp_path, task)
    shutil.copy(path, tmp_path)
    assert execute(["validate", str(tmp_path / path.name)]) == 0
    assert execute(["distill", str(tmp_path / path.name), "plan.epochs=1", "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "model" / "README.md").is_file()


def test_there_is_one_for_every_task() -> None:
    tasks = {yaml.safe_load(path.read_text(encoding="utf-8"))["task"] for path in EXAMPLES.glob("*.yaml")}
    assert tasks == set(get_args(TaskName))
