"""What is validated, when it ends a training, and which weights are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.training.callbacks import Callback, Progress
from limbeck.training.loop import Validate, fit
from limbeck.training.run_folder import RunFolder
from limbeck.training.task import Task
from limbeck.training.weights import snapshot
from tests.training.toys import Line, TaggingTask, line_batches, plain, sentences


def test_validation_changes_nothing_and_is_exact() -> None:
    plain_task, watched = TaggingTask(dropout=0.3), TaggingTask(dropout=0.3)
    held_out = sentences(5, number=13)
    fit(plain_task, sentences(), plain(), progress=False)

    def draw(task: Task) -> dict[str, float]:
        assert not task.training
        assert not torch.is_grad_enabled()
        return {"drawn": torch.rand(1).item()}

    options = plain(validate_every=3)
    history = fit(watched, sentences(), options, validation_loader=held_out, validate=draw, progress=False)
    assert [row["step"] for row in history.validations] == [3, 6, 9, 12, 15, 16]
    assert all(torch.equal(value, snapshot(watched)[name]) for name, value in snapshot(plain_task).items())
    whole = watched(next(iter(sentences(13, shuffle=False, number=13))))
    assert history.validations[-1]["val/ce"] == pytest.approx(whole["ce"].mean().item())
    expected = whole["ce"].mean() + 0.3 * whole["mse"].mean()
    assert history.validations[-1]["val/loss"] == pytest.approx(expected.item())


def scores(*values: float) -> tuple[list[float], Validate]:
    """A validation that gives these scores in turn, and the slopes at which it was asked."""
    slopes: list[float] = []

    def validate(task: Task) -> Mapping[str, float]:
        slopes.append(task.get_parameter("slope").item())
        return {"bleu": values[len(slopes) - 1]}

    return slopes, validate


@pytest.mark.parametrize("in_folder", [False, True])
def test_patience_stops_and_best_weights_come_back(in_folder: bool, tmp_path: Path) -> None:
    slopes, validate = scores(1.0, 5.0, float("nan"), 3.0, 2.0, 1.0)
    task = Line()
    run = RunFolder(tmp_path / "run") if in_folder else None
    options = plain(epochs=9, patience=3, monitor="bleu", mode="max", restore_best=True)
    history = fit(task, line_batches(), options, validate=validate, run=run, progress=False)
    assert (history.stopped, history.steps, history.best_step, history.best_value) == ("patience", 20, 8, 5.0)
    assert task.slope.item() == slopes[1]
    assert not task.training


def test_monitor_that_nothing_gives_is_told() -> None:
    _, validate = scores(1.0)
    with pytest.raises(LimbeckError, match=r"no validation gives 'blue'; did you mean 'bleu'"):
        fit(Line(), line_batches(), plain(monitor="blue"), validate=validate, progress=False)
    with pytest.raises(LimbeckError, match="patience and restore_best need"):
        fit(Line(), line_batches(), plain(patience=1), progress=False)


@pytest.mark.parametrize("monitor", ["sqares", "val/sqares"])
def test_a_term_that_is_not_there_is_told_before_the_first_step(monitor: str) -> None:
    task = Line()
    held = line_batches(1)
    with pytest.raises(LimbeckError, match=rf"no validation gives '{monitor}'; did you mean 'squares'"):
        fit(task, line_batches(), plain(monitor=monitor), validation_loader=held, progress=False)
    assert task.slope.item() == 0
    assert task.training


def test_a_term_without_a_weight_may_be_monitored() -> None:
    task = TaggingTask(weights={"ce": 1.0})
    options = plain(monitor="mse", restore_best=True)
    history = fit(task, sentences(), options, validation_loader=sentences(number=8), progress=False)
    assert history.best_value == min(row["val/mse"] for row in history.validations)


@pytest.mark.parametrize("in_folder", [False, True])
def test_average_of_the_last_epochs(in_folder: bool, tmp_path: Path) -> None:
    slopes: list[float] = []

    class Keep(Callback):
        def on_epoch(self, progress: Progress) -> None:
            slopes.append(progress.task.get_parameter("slope").item())

    task = Line()
    run = RunFolder(tmp_path / "run") if in_folder else None
    fit(task, line_batches(), plain(epochs=5, average_last=3), callbacks=[Keep()], run=run, progress=False)
    assert len(slopes) == 5
    assert task.slope.item() == pytest.approx(sum(slopes[2:]) / 3)
