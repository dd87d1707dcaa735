"""What a training refuses, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, TrainingError
from limbeck.losses.term import Term
from limbeck.training import device
from limbeck.training.device import check_bf16
from limbeck.training.loop import fit
from limbeck.training.run_folder import RunFolder
from tests.training.toys import Line, line_batches, plain


class Untruthful(Line):
    def counts(self, batch: Batch) -> dict[str, Tensor]:
        return {"squares": torch.tensor(7.0)}


def test_wrong_counts_are_told() -> None:
    with pytest.raises(TrainingError, match=r"step 1: .*count of 14 for the term 'squares'.*counted 16"):
        fit(Untruthful(), line_batches(), plain(accumulate=2), progress=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_names_term_and_step(value: float, tmp_path: Path) -> None:
    batches = line_batches(4)
    batches[2] = {"x": batches[2]["x"], "y": batches[2]["y"] + value}
    with pytest.raises(TrainingError, match=r"step 3: the term 'squares' is not finite"):
        fit(Line(), batches, plain(), run=RunFolder(tmp_path / "run"), progress=False)


class Rooted(Line):
    def forward(self, batch: Batch) -> dict[str, Term]:
        return {"root": Term.over((self.slope * batch["x"]).abs().sqrt())}


def test_gradient_that_is_not_finite_is_told() -> None:
    with pytest.raises(TrainingError, match="step 1: the gradient is not finite"):
        fit(Rooted({"root": 1.0}), line_batches(), plain(), progress=False)


class Changing(Line):
    def forward(self, batch: Batch) -> dict[str, Term]:
        terms = super().forward(batch)
        return terms if "more" not in batch else terms | {"more": terms["squares"]}


def test_wrong_terms_are_told() -> None:
    with pytest.raises(TrainingError, match=r"weighs a term 'square' .*did you mean 'squares'"):
        fit(Line({"square": 1.0}), line_batches(), plain(), progress=False)
    with pytest.raises(TrainingError, match=r"the terms change between batches: 'squares' before"):
        fit(Changing(), [*line_batches(), {**line_batches()[0], "more": torch.ones(1)}], plain(), progress=False)
    frozen = Line()
    frozen.slope.requires_grad_(False)
    with pytest.raises(TrainingError, match="no parameter that learns"):
        fit(frozen, line_batches(), plain(), progress=False)


def test_wrong_loaders_are_told() -> None:
    with pytest.raises(LimbeckError, match="no batch in epoch 1"):
        fit(Line(), [], plain(), progress=False)
    with pytest.raises(LimbeckError, match=r"no batch in epoch 2.*generator"):
        fit(Line(), iter(line_batches()), plain(), progress=False)
    with pytest.raises(LimbeckError, match="needs max_steps"):
        fit(Line(), iter(line_batches()), plain(schedule="cosine"), progress=False)


def test_a_processor_that_bf16_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_bf16.cache_clear()
    monkeypatch.setattr(device, "_BF16", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    with pytest.raises(LimbeckError, match=r"bf16 ends the process on this processor \(signal 4\)"):
        fit(Line(), line_batches(), plain(precision="bf16"), progress=False)
    check_bf16.cache_clear()


def test_a_launcher_whose_processes_do_not_know_of_one_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = Accelerator(cpu=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LimbeckError, match=r"WORLD_SIZE says 2 processes, and the accelerator knows of one"):
        fit(Line(), line_batches(), plain(), accelerator=accelerator, progress=False)
