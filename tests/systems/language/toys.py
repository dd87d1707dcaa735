"""Systems and jobs small enough for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from limbeck.systems.findings import Findings
from limbeck.systems.language.arms import Arm, Budget
from limbeck.systems.language.examples import Splits, all_words
from limbeck.systems.language.models import Shape
from limbeck.systems.language.teachers import Teacher
from limbeck.systems.language.training import Job
from limbeck.world.language import Language
from tests.cli.toys import limbeck

LANGUAGE = Language()


def smoke(slug: str, folder: Path, *options: object) -> Findings:
    """Run a system from the command line, at its smallest, and read what it found."""
    fixed = ("run", slug, "--scale", "smoke", "--device", "cpu", "--workers", 1, "--out", folder / slug)
    done = limbeck(*fixed, *options)
    assert done.returncode == 0, done.stderr
    return Findings.load(folder / slug)


def splits(number: int = 40) -> Splits:
    train, val, test = (
        all_words(LANGUAGE.sequences(split, count=count))
        for split, count in (("train", number), ("val", 12), ("test", 12))
    )
    return Splits(train, val, test, LANGUAGE.vocabulary)


def job(arm: Arm, cache: Path, *, steps: int = 6, given: Splits | None = None, **more: Any) -> Job:
    """A job with a teacher of a few steps."""
    used = given or splits()
    teacher = Teacher("toy", Shape(16), used, Budget(2, 8), cache)
    return Job(arm, 1, Shape(8), used, Budget(steps, 8), LANGUAGE, teacher, 8, **more)


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether two models have the same weights, bit for bit."""
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
