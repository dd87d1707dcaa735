from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, TrainingError
from limbeck.losses.term import Term
from limbeck.training.callbacks import Callback, History, Progress
from limbeck.training.checkpoint import newest_checkpoint, pointed, write_checkpoint
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.run_folder import RunFolder
from limbeck.training.task import Task
from limbeck.training.weights import snapshot
from tests.training.killed import run
from tests.training.toys import TaggingTask, sentences

TIMES = ("seconds", "tokens_per_second")


def outcome(folder: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """The final weights, byte for byte, and the log without the times."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    told = [{name: value for name, value in row.items() if name not in TIMES} for row in rows]
    return (folder / "model.safetensors").read_bytes(), told


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert run(folder) == 0
    return outcome(folder)


# Steps 1 to 8 are the first of three epochs; a checkpoint every third step and at each epoch's end.
@pytest.mark.parametrize("step", [2, 8, 13, 23])
def test_killed_in_training_goes_on_as_if_not(step: int, tmp_path: Path, uninterrupted: tuple[bytes, Any]) -> None:
    assert run(tmp_path / "run", step=step) == -9
    assert run(tmp_path / "run") == 0
    assert outcome(tmp_path / "run") == uninterrupted


# A checkpoint takes about a dozen changes of the file system, so these fall into all its parts.
@pytest.mark.parametrize(
    "write",
    [3, 34, 42, 70, *(pytest.param(write, marks=pytest.mark.slow) for write in (17, *range(31, 46)))],
)
def test_killed_in_writing_goes_on_as_if_not(write: int, tmp_path: Path, uninterrupted: tuple[bytes, Any]) -> None:
    assert run(tmp_path / "run", write=write) == -9
    assert run(tmp_path / "run") == 0
    assert outcome(tmp_path / "run") == uninterrupted


def test_killed_again_and_again(tmp_path: Path, uninterrupted: tuple[bytes, Any]) -> None:
    for step in (5, 7, 11, 20):
        assert run(tmp_path / "run", step=step) == -9
    assert run(tmp_path / "run") == 0
    assert run(tmp_path / "run") == 0
    assert outcome(tmp_path / "run") == uninterrupted


@pytest.mark.parametrize(
    ("more", "as_list"),
    [
        ({"accumulate": 3, "save_every": 1}, False),
        ({"average_last": 2}, False),
        ({"restore_best": True, "validate_every": 5}, False),
        ({"max_steps": 21, "precision": "bf16"}, False),
        ({}, True),
    ],
)
def test_other_plans_and_loaders_go_on_as_well(more: dict[str, Any], as_list: bool, tmp_path: Path) -> None:
    assert run(tmp_path / "whole", more=more, as_list=as_list) == 0
    assert run(tmp_path / "run", more=more, as_list=as_list, step=5) == -9
    assert run(tmp_path / "run", more=more, as_list=as_list) == 0
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


PLAN: dict[str, Any] = {"lr": 1e-2, "epochs": 3, "keep_last": 2}


def train(folder: Path, task: Task | None = None, *, resume: bool = False, **more: Any) -> Task:
    task = task or TaggingTask()
    batches = more.pop("batches", None) or sentences()
    run = RunFolder(folder, resume=resume)
    fit(task, batches, Plan(**{**PLAN, **more}), run=run, resume=resume, progress=False)
    return task


def test_finished_run_gives_its_weights_again(tmp_path: Path) -> None:
    first = snapshot(train(tmp_path / "run", average_last=2))
    again = snapshot(train(tmp_path / "run", resume=True, average_last=2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_checkpoints_hold_no_teacher_and_ties_once(tmp_path: Path) -> None:
    train(tmp_path / "run")
    found = newest_checkpoint(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert set(found.tensors("model")) == {"embed.weight", "layer.weight", "layer.bias", "seen"}
    kinds = {name.partition(".")[0] for name in found.tensors("optimizer")}
    assert kinds == {"step", "exp_avg", "exp_avg_sq"}
    assert pointed(tmp_path / "run" / "checkpoints", "latest") == found.path
    assert all(path.suffix in (".json", ".safetensors") for path in found.path.iterdir())


def test_only_what_is_needed_is_kept(tmp_path: Path) -> None:
    scores = iter([1.0, 9.0, 3.0, 4.0, 5.0, 6.0])
    folder = tmp_path / "run"
    options = Plan(lr=1e-2, epochs=6, keep_last=1, average_last=2, monitor="bleu", mode="max", save_every=5)
    fit(
        TaggingTask(),
        sentences(),
        options,
        run=RunFolder(folder),
        validate=lambda task: {"bleu": next(scores)},
        progress=False,
    )
    kept = sorted(path.name for path in (folder / "checkpoints").glob("step-*"))
    assert kept == ["step-0000000016", "step-0000000040", "step-0000000048"]
    assert pointed(folder / "checkpoints", "best").name == "step-0000000016"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "random-0.safetensors", "state.json"])
def test_damaged_checkpoint_is_passed_over(name: str, tmp_path: Path) -> None:
    whole = snapshot(train(tmp_path / "run"))
    broken = tmp_path / "run" / "checkpoints" / "step-0000000024" / name
    broken.write_bytes(broken.read_bytes()[:-20])
    with pytest.warns(UserWarning, match=rf"step-0000000024/{name}.*going on from step-0000000016"):
        resumed = snapshot(train(tmp_path / "run", resume=True))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_nothing_but_damaged_checkpoints_is_told(tmp_path: Path) -> None:
    train(tmp_path / "run", keep_last=1)
    broken = tmp_path / "run" / "checkpoints" / "step-0000000024" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(LimbeckError, match=r"no checkpoint is complete: .*model.safetensors: has 100 bytes"):
        train(tmp_path / "run", resume=True, keep_last=1)


class Wider(TaggingTask):
    def __init__(self) -> None:
        super().__init__(width=12)


def test_other_plan_or_task_or_loader_is_told(tmp_path: Path) -> None:
    train(tmp_path / "run")
    with pytest.raises(LimbeckError, match=r"another run: plan.lr: 0.01 there, 0.02 now; plan.warmup: 0 there, 3 now"):
        train(tmp_path / "run", resume=True, lr=0.02, warmup=3)
    with pytest.raises(LimbeckError, match=r"'embed.weight' is \(11, 8\) float32 where it was saved, and \(11, 12\)"):
        train(tmp_path / "run", Wider(), resume=True)
    with pytest.raises(LimbeckError, match=r"steps in all: 24 there, 48 now"):
        train(tmp_path / "run", resume=True, batches=sentences(2))
    frozen = TaggingTask()
    frozen.layer.requires_grad_(False)
    with pytest.raises(LimbeckError, match=r"parameters that learn: without \['layer.weight', 'layer.bias'\]"):
        train(tmp_path / "run", frozen, resume=True)
    train(tmp_path / "run", resume=True, log_every=7, keep_last=1)


def test_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run")
    with pytest.raises(LimbeckError, match="is not empty; resume the run"):
        train(tmp_path / "run")
    with pytest.raises(LimbeckError, match="there are checkpoints already"):
        fit(TaggingTask(), sentences(), Plan(**PLAN), run=RunFolder(tmp_path / "run", resume=True), progress=False)
    with pytest.raises(LimbeckError, match="resume needs the folder"):
        fit(TaggingTask(), sentences(), Plan(**PLAN), resume=True, progress=False)


def test_resume_without_a_checkpoint_starts(tmp_path: Path) -> None:
    resumed, plain = snapshot(train(tmp_path / "one", resume=True)), snapshot(train(tmp_path / "two"))
    assert all(torch.equal(resumed[name], plain[name]) for name in plain)


class Heeded(TaggingTask):
    """Its second term weighs what validations have said so far."""

    def __init__(self) -> None:
        super().__init__(dropout=0.3)
        self.register_buffer("heard", torch.zeros(()))

    def forward(self, batch: Batch) -> dict[str, Term]:
        terms = super().forward(batch)
        return terms | {"mse": Term(terms["mse"].total * self.get_buffer("heard"), terms["mse"].count)}


class Heed(Callback):
    """Moves state on validation."""

    def on_validation(self, progress: Progress, row: Mapping[str, float]) -> None:
        progress.task.get_buffer("heard").add_(row["val/ce"])


class Stop(Callback):
    """After so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch(self, progress: Progress) -> None:
        if progress.epoch == self.epochs:
            raise KeyboardInterrupt


# Eight steps an epoch: a checkpoint is due at its last one, or a validation, or both.
@pytest.mark.parametrize("more", [{"save_every": 4}, {"save_every": 1}, {"validate_every": 4}, {"validate_every": 3}])
def test_a_checkpoint_at_an_epoch_s_end_has_what_its_validation_moved(more: dict[str, Any], tmp_path: Path) -> None:
    def go(name: str, *, epochs: int | None = None, resume: bool = False) -> Task:
        task, run = Heeded(), RunFolder(tmp_path / name, resume=resume)
        plan, held = Plan(**PLAN | more), sentences(4, shuffle=False, number=8)
        told = [Heed()] if epochs is None else [Heed(), Stop(epochs)]
        with nullcontext() if epochs is None else pytest.raises(KeyboardInterrupt):
            fit(task, sentences(), plan, run=run, validation_loader=held, callbacks=told, resume=resume, progress=False)
        return task

    whole, stopped = go("whole"), snapshot(go("run", epochs=1))
    found = newest_checkpoint(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert (found.state["step"], found.state["epoch"], found.state["batch"]) == (8, 1, 0)
    assert float(stopped["heard"]) > 0
    torch.testing.assert_close(found.tensors("model"), stopped, rtol=0, atol=0)
    go("run", resume=True)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    assert float(whole.get_buffer("heard")) > float(stopped["heard"])


@pytest.mark.parametrize("epochs", [2, 3])
def test_patience_goes_on_with_what_it_has_waited(epochs: int, tmp_path: Path) -> None:
    def go(name: str, scores: Iterator[float], *callbacks: Callback, resume: bool = False) -> History:
        plan, run = Plan(lr=1e-2, epochs=9, patience=3, monitor="score"), RunFolder(tmp_path / name, resume=resume)
        return fit(TaggingTask(), sentences(8), plan, run=run, validate=lambda task: {"score": next(scores)},
                   callbacks=callbacks, resume=resume, progress=False)  # fmt: skip

    whole, parts = (iter([1.0, 3.0, 2.0, 4.0, 3.0, 2.0, 4.0]) for _ in range(2))
    expected = go("whole", whole)
    with pytest.raises(KeyboardInterrupt):
        go("run", parts, Stop(epochs))
    resumed = go("run", parts, resume=True)
    assert (expected.stopped, expected.steps, expected.best_step) == ("patience", 16, 4)
    assert (resumed.stopped, resumed.steps, resumed.best_step) == ("patience", 16, 4)


def test_a_checkpoint_that_is_written_again_has_the_tensors_of_then(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        model = {"heard": torch.tensor(value)}
        path = write_checkpoint(tmp_path, 3, {"model": model, "optimizer": {}}, {"epoch": int(value)})
        found = newest_checkpoint(tmp_path)
        assert found is not None
        assert (found.path, found.state["epoch"], found.tensors("model")) == (path, value, model)


def test_weight_that_is_not_finite_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    batches = list(sentences(4, shuffle=False))
    task = TaggingTask()

    def spoil(given: Task) -> dict[str, float]:
        with torch.no_grad():
            given.get_parameter("layer.weight").fill_(float("nan"))
        return {}

    run = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingError, match=r"after step 8: the weight 'layer.weight' is not finite"):
        fit(task, batches, Plan(**PLAN, save_every=4, validate_every=8), run=run, validate=spoil, progress=False)
    found = newest_checkpoint(run.checkpoints)
    assert found is not None
    assert found.path.name == "step-0000000004"
    assert all(value.isfinite().all() for value in found.tensors("model").values())


def test_term_that_is_not_finite_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    class Spoiling(TaggingTask):
        def forward(self, batch: Batch) -> dict[str, Term]:
            terms = super().forward(batch)
            if int(self.get_buffer("seen")) < 100:
                return terms
            return {name: Term(term.total / 0, term.count) for name, term in terms.items()}

    run = RunFolder(tmp_path / "run")
    plan = Plan(**PLAN, save_every=2, log_every=1000)
    with pytest.raises(TrainingError, match=r"step \d: the term 'ce' is not finite"):
        fit(Spoiling(), sentences(), plan, run=run, progress=False)
    found = newest_checkpoint(run.checkpoints)
    assert found is not None
    assert all(value.isfinite().all() for value in found.tensors("model").values())
