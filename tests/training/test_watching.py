"""What a training tells: folder, terminal, callbacks and trackers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import GeneralTracker

from limbeck.errors import LimbeckError
from limbeck.training.callbacks import Callback, Progress
from limbeck.training.loop import fit
from limbeck.training.run_folder import RunFolder
from tests.training.toys import Line, line_batches, plain


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
