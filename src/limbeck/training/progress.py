"""What a person sees of a run: a bar on a terminal, else a line an epoch."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from limbeck.training.callbacks import Callback, Progress


class ProgressBar(Callback):
    """A bar with steps, loss, tokens a second and the time that remains, on standard error."""

    def __init__(self) -> None:
        self.bar = RichProgress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,
        )

    def on_start(self, progress: Progress) -> None:
        """Show the bar."""
        self.shown = self.bar.add_task("", total=progress.total, completed=progress.step, epoch=1, told="")
        self.bar.start()

    def on_step(self, progress: Progress) -> None:
        """Move it on."""
        self.bar.update(self.shown, completed=progress.step, epoch=progress.epoch + 1)

    def on_log(self, progress: Progress, row: Mapping[str, float]) -> None:
        """Tell the loss and the throughput."""
        told = f"loss {row['loss']:.4f}  {row['tokens_per_second']:,.0f} tokens/s"
        self.bar.update(self.shown, completed=progress.step, told=told)

    def on_validation(self, progress: Progress, row: Mapping[str, float]) -> None:
        """Tell the figures above the bar."""
        self.bar.console.print(_line(progress, row), highlight=False)

    def on_end(self, progress: Progress) -> None:
        """Take the bar away."""
        self.bar.stop()


class ProgressLines(Callback):
    """One short line an epoch on standard error."""

    def __init__(self) -> None:
        self.latest: dict[str, float] = {}

    def on_log(self, progress: Progress, row: Mapping[str, float]) -> None:
        """Remember what the next line tells."""
        self.latest |= {name: row[name] for name in ("loss", "tokens_per_second")}

    def on_validation(self, progress: Progress, row: Mapping[str, float]) -> None:
        """Remember what the next line tells."""
        self.latest |= {name: value for name, value in row.items() if name not in ("step", "epoch")}

    def on_epoch(self, progress: Progress) -> None:
        """Tell it."""
        print(_line(progress, self.latest), file=sys.stderr, flush=True)


def progress_display() -> Callback:
    """The bar where standard error is a terminal, else the lines."""
    return ProgressBar() if sys.stderr.isatty() else ProgressLines()


def _line(progress: Progress, row: Mapping[str, float]) -> str:
    figures = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name not in ("step", "epoch"))
    return f"step {progress.step}  {figures}"
