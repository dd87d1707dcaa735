"""What a training refuses, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, TrainingError
from limbeck.losses.term import Term
from limbeck.training import device
from limbeck.training.device import accelerator_on, check_bf16
from limbeck.training.loop import fit
from limbeck.training.run_folder import RunFolder
from tests.training.toys import Line, TaggingTask, line_batches, plain, sentences


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


@pytest.fixture
def afresh() -> Iterator[None]:
    """Accelerate keeps its first choices for a whole process: none before the test, and none of the test's after it."""
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


ASKED = {
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": ("4", "gradient_accumulation_steps 4 for 1"),
    "ACCELERATE_MIXED_PRECISION": ("bf16", "mixed_precision 'bf16' for 'no'"),
    "ACCELERATE_DYNAMO_BACKEND": ("EAGER", "dynamo_backend 'eager' for 'no'"),
}


@pytest.mark.usefixtures("afresh")
@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("handed", [False, True])
def test_the_plan_alone_decides_whatever_the_environment_asks_for(
    name: str, handed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows() -> list[tuple[float, float]]:
        accelerator = accelerator_on("cpu") if handed else None
        plan = plain(clip=0.1, log_every=1)
        history = fit(TaggingTask(), sentences(), plan, accelerator=accelerator, progress=False)
        return [(row["loss"], row["grad_norm"]) for row in history.log]

    expected = rows()
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    monkeypatch.setenv(name, ASKED[name][0])
    assert rows() == expected


@pytest.mark.usefixtures("afresh")
@pytest.mark.parametrize("name", ASKED)
def test_an_accelerator_that_would_decide_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, told = ASKED[name]
    monkeypatch.setenv(name, value)
    accelerator = Accelerator(cpu=True)
    with pytest.raises(LimbeckError, match=rf"^the accelerator has {told}; .*accelerator_on\(device\)[^\n]*$"):
        fit(Line(), line_batches(), plain(), accelerator=accelerator, progress=False)


@pytest.mark.usefixtures("afresh")
def test_a_precision_that_the_process_was_given_before_is_told() -> None:
    Accelerator(cpu=True, mixed_precision="bf16")
    with pytest.raises(LimbeckError, match="the accelerator has mixed_precision 'bf16' for 'no'"):
        fit(Line(), line_batches(), plain(), progress=False)
