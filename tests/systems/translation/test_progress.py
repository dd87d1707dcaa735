from __future__ import annotations

import pytest
import torch

from limbeck.batch import Batch
from limbeck.losses.term import Term
from limbeck.systems.translation.progress import JobLines
from limbeck.training.device import accelerator_on
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.task import Task


class Line(Task):
    def __init__(self) -> None:
        super().__init__({"squares": 1.0})
        self.slope = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> dict[str, Term]:
        return {"squares": Term.over((self.slope * batch["x"] - 1.0) ** 2)}


@pytest.mark.parametrize(("after", "lines"), [(0.0, 3), (60.0, 0)])
def test_a_line_a_validation_once_it_has_taken_long(
    after: float, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    batches: list[Batch] = [{"x": torch.ones(2)}] * 2
    told = JobLines("ikd, seed 7", after=after)
    plan = Plan(lr=0.1, epochs=3, log_every=1)
    fit(
        Line(),
        batches,
        plan,
        validation_loader=batches,
        callbacks=[told],
        progress=False,
        accelerator=accelerator_on("cpu"),
    )
    written = capsys.readouterr().err.splitlines()
    assert len(written) == lines
    for number, line in enumerate(written, 1):
        assert line.startswith(f"ikd, seed 7: step {2 * number} of 6  loss ")
        assert "val/loss" in line
