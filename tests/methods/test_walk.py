"""CONTRIBUTING's walk to a method of one's own, as it stands there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import limbeck.methods
from limbeck.cli.app import execute
from limbeck.methods.find import named_methods
from limbeck.systems.findings import Findings
from tests.methods import test_truth as truth

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The method's file beside the package's own, and its test as a module."""
    section = CONTRIBUTING.read_text(encoding="utf-8").partition("## Add a method")[2].partition("\n## ")[0]
    method, test = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(method.splitlines()) <= 60
    (tmp_path / "fitnet.py").write_text(method, encoding="utf-8")
    monkeypatch.setattr(limbeck.methods, "__path__", [*limbeck.methods.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "limbeck.methods.fitnet", raising=False)
    named_methods.cache_clear()
    module = ModuleType("test_fitnet")
    exec(compile(test, "test_fitnet.py", "exec"), module.__dict__)
    yield module
    sys.modules.pop("limbeck.methods.fitnet")
    del limbeck.methods.fitnet  # type: ignore[attr-defined]
    named_methods.cache_clear()


def test_its_tests_and_the_truth_suite_pass(walk: ModuleType) -> None:
    walk.test_by_hand()
    (entry,) = walk.ENTRIES.values()
    # All but those for which an entry must say more.
    of_every_method = [
        test for test in vars(truth).values() if truth.every_method.mark in getattr(test, "pytestmark", [])
    ]
    assert len(of_every_method) > 5
    for test in of_every_method:
        test(entry)


def test_it_is_compared_by_name(walk: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    asked = ["compare", "logits", "logits+hint", "--scale", "smoke", "--workers", "1", "--device", "cpu"]
    assert execute([*asked, "--out", str(tmp_path / "run")]) == 0
    assert {"labels", "logits", "logits+hint"} < Findings.load(tmp_path / "run").arms.keys()
