from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, TrainingError
from limbeck.losses.term import Term, empty_term
from limbeck.training import device
from limbeck.training.callbacks import Callback, Progress
from limbeck.training.device import check_bf16
from limbeck.training.loop import Validate, fit
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder
from limbeck.training.task import Task
from limbeck.training.weights import own_state, snapshot
from tests.training.toys import Sentences, TaggingTask, sentences


class Line(Task):
    """Least squares through the origin; the batch says what to spoil."""

    def __init__(self, weights: dict[str, float] | None = None) -> None:
        super().__init__(weights or {"squares": 1.0})
        self.slope = nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> dict[str, Term]:
        return {"squares": Term.over((self.slope * batch["x"] - batch["y"]) ** 2)}


def line_batches(number: int = 4) -> list[dict[str, Tensor]]:
    x = torch.linspace(1, 2, 8)
    return [{"x": x, "y": 3 * x} for _ in range(number)]


def plain(**more: Any) -> Plan:
    values: dict[str, Any] = {"lr": 1e-2, "epochs": 2}
    return Plan(**(values | more))


def test_loss_falls_and_history_tells_it() -> None:
    task = TaggingTask()
    history = fit(task, sentences(), plain(epochs=30, log_every=8), progress=False)
    assert history.steps == 240
    assert history.epochs == 30
    assert history.stopped == "epochs"
    assert history.log[-1]["ce"] < 0.3 * history.log[0]["ce"]
    assert history.log[0].keys() >= {"step", "epoch", "lr", "loss", "ce", "mse", "grad_norm", "tokens_per_second"}
    assert history.log[0]["loss"] == pytest.approx(history.log[0]["ce"] + 0.3 * history.log[0]["mse"])


def test_one_step_is_adamw_on_the_weighted_means() -> None:
    task, reference = TaggingTask(), TaggingTask()
    batch = next(iter(sentences(16, shuffle=False)))
    fit(task, [batch], plain(epochs=1, lr=0.1, weight_decay=0.1), progress=False)
    terms = reference(batch)
    (terms["ce"].mean() + 0.3 * terms["mse"].mean()).backward()
    learning = [p for p in reference.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in learning if p.ndim == 1], "weight_decay": 0.0},
    ]
    torch.optim.AdamW(groups, lr=0.1).step()
    torch.testing.assert_close(own_state(task), own_state(reference))


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulation_gives_the_weights_of_the_whole_batch(accumulate: int) -> None:
    whole, split = TaggingTask(), TaggingTask()
    fit(whole, sentences(16, shuffle=False), plain(), progress=False)
    micro = sentences(16 // accumulate, shuffle=False)
    history = fit(split, micro, plain(accumulate=accumulate, log_every=1), progress=False)
    assert history.steps == 4
    for name, value in snapshot(whole).items():
        torch.testing.assert_close(snapshot(split)[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_mean_of_means_would_differ() -> None:
    """What the two tests around this one can see: the halves of a batch have unequal counts."""
    counts = [float(TaggingTask()(batch)["ce"].count) for batch in sentences(4, shuffle=False)]
    assert len(set(counts[:4])) > 1


def test_last_group_of_an_epoch_may_be_short() -> None:
    history = fit(TaggingTask(), sentences(4), plain(accumulate=3), progress=False)
    assert history.steps == 2 * 3


class Empty(Line):
    def forward(self, batch: Batch) -> dict[str, Term]:
        terms = super().forward(batch)
        return terms | {"rare": empty_term(self.slope)}


def test_term_over_nothing_adds_nothing() -> None:
    with_term, without = Empty({"squares": 1.0, "rare": 5.0}), Line()
    for task in (with_term, without):
        fit(task, line_batches(), plain(), progress=False)
    assert torch.equal(with_term.slope, without.slope)


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


def test_max_steps_ends_the_run_midway() -> None:
    history = fit(Line(), line_batches(), plain(epochs=None, max_steps=6), progress=False)
    assert (history.steps, history.epochs, history.stopped) == (6, 1, "max_steps")


def test_clipping_bounds_the_step() -> None:
    history = fit(Line(), line_batches(), plain(clip=1e-3, log_every=1), progress=False)
    assert history.log[0]["grad_norm"] > 1
    task = Line()
    fit(task, line_batches(1), plain(clip=1e-12, epochs=1, eps=1.0), progress=False)
    assert 0 < abs(task.slope.item()) < 1e-12


def test_a_processor_that_bf16_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_bf16.cache_clear()
    monkeypatch.setattr(device, "_BF16", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    with pytest.raises(LimbeckError, match=r"bf16 ends the process on this processor \(signal 4\)"):
        fit(Line(), line_batches(), plain(precision="bf16"), progress=False)
    check_bf16.cache_clear()


def test_bf16_stays_near_fp32() -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        task = TaggingTask()
        losses[precision] = fit(task, sentences(), plain(epochs=5, precision=precision), progress=False).log[-1]["loss"]
        assert all(value.dtype == torch.float32 for value in task.parameters())
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert losses["bf16"] != losses["fp32"]


def test_same_seed_same_weights_other_seed_other_weights() -> None:
    states = []
    for seed in (0, 0, 1):
        task = TaggingTask(dropout=0.3)
        fit(task, sentences(), plain(seed=seed), progress=False)
        states.append(snapshot(task))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["layer.weight"], states[2]["layer.weight"])


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


def test_folder_has_config_log_and_weights(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    history = fit(Line(), line_batches(), plain(log_every=3), run=run, validation_loader=line_batches(), progress=False)
    rows = [json.loads(line) for line in run.log.read_text().splitlines()]
    assert [row["step"] for row in rows] == [3, 4, 4, 6, 8, 8]
    assert rows == sorted([*history.log, *history.validations], key=lambda row: (row["step"], "val/loss" in row))


def test_a_line_an_epoch_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fit(Line(), line_batches(), plain(epochs=3))
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.split()[:3] for line in told.err.splitlines()] == [["step", str(s), "loss"] for s in (4, 8, 12)]


def test_callback_may_change_weights_and_sees_every_event() -> None:
    seen: list[str] = []

    class Watch(Callback):
        def on_start(self, progress: Progress) -> None:
            seen.append(f"start of {progress.total}")

        def on_step(self, progress: Progress) -> None:
            progress.task.weights["squares"] = 1.0 if progress.step < 4 else 0.0

        def on_log(self, progress: Progress, row: Mapping[str, float]) -> None:
            seen.append("log")

        def on_end(self, progress: Progress) -> None:
            seen.append("end")

    history = fit(Line(), line_batches(), plain(log_every=4), callbacks=[Watch()], progress=False)
    assert seen == ["start of 8", "log", "log", "end"]
    assert history.log[1]["grad_norm"] == 0.0


class Notebook(GeneralTracker):
    """Keeps what it is told."""

    name = "notebook"
    requires_logging_directory = False
    main_process_only = False

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.config: dict[str, Any] = {}
        self.closed = False

    @property
    def tracker(self) -> None:
        return None

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.config = values

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        self.rows.append({"step": step, **values})

    def finish(self) -> None:
        self.closed = True


def test_trackers_get_the_rows() -> None:
    notebook = Notebook()
    fit(Line(), line_batches(), plain(), validation_loader=line_batches(), trackers=[notebook], progress=False)
    assert [row["step"] for row in notebook.rows] == [4, 4, 8, 8]
    assert notebook.config["lr"] == 1e-2
    assert notebook.closed
    with pytest.raises(LimbeckError, match="trackers: "):
        fit(Line(), line_batches(), plain(), trackers=["tensorbored"], progress=False)


class Normed(Task):
    def __init__(self) -> None:
        super().__init__({"ce": 1.0})
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(9, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

    def forward(self, batch: Batch) -> dict[str, Term]:
        return {"ce": Term.over(self.net(batch["ids"].float()) ** 2)}


def test_asking_for_counts_leaves_buffers_and_randomness() -> None:
    task = Normed().train()
    batch = {"ids": Sentences().ids[:5]}
    before, state = snapshot(task), torch.get_rng_state()
    assert float(task.counts(batch)["ce"]) == 10
    assert all(torch.equal(value, snapshot(task)[name]) for name, value in before.items())
    assert torch.equal(state, torch.get_rng_state())


def test_a_launcher_whose_processes_do_not_know_of_one_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = Accelerator(cpu=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LimbeckError, match=r"WORLD_SIZE says 2 processes, and the accelerator knows of one"):
        fit(Line(), line_batches(), plain(), accelerator=accelerator, progress=False)
