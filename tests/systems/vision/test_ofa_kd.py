"""What is gathered of the families, and a small run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limbeck.cli.app import execute
from limbeck.systems.findings import Findings
from limbeck.systems.vision.ofa_kd import ALL, ARMS, CKA_CROSS, CKA_SAME


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = "run ofa-kd --scale smoke --steps 2 --workers 1 --device cpu --out"
    assert execute([*line.split(), str(tmp_path / "run")]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"teacher", *ARMS}
    assert not found.unequal_budgets()
    assert found.budget("ofa")["steps"] == 3 * 2
    mean = np.mean([found.score("ofa", f"{family} accuracy") for family in ("vit", "mixer")])
    assert found.score("ofa", ALL) == pytest.approx(mean)
    of_both = found.statistics("ofa", ALL)
    each = [found.statistics("ofa", f"{family} accuracy") for family in ("vit", "mixer")]
    assert np.array_equal(of_both, (each[0] + each[1]) / 2)  # a picture is one item, whoever looks at it
    # Even untrained, the student of the teacher's own family is not at 0 or 1.
    assert 0 < found.score("ce", CKA_SAME) < 1
    assert 0 < found.score("ce", CKA_CROSS) < 1
