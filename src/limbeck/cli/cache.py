"""`limbeck cache`: what a teacher says about one's own data, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from limbeck.cli.device import chosen_device
from limbeck.errors import LimbeckError

app = typer.Typer(add_completion=False)

HELP = """Run a teacher over your data once, and keep what it says.

CONFIG is that of `limbeck distill`; its teacher, data and method are read. With `store: STORE` in it, `limbeck distill`
then trains from the store and does not run the teacher.

A run that was stopped goes on where it was when the same command is given again.
"""


@app.command(
    help=HELP,
    epilog="Example: limbeck cache small.yaml --keep top-k --k 32 --out store && "
    "limbeck distill small.yaml store=store --out runs/small",
)
def cache(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; its paths are relative to it.")],
    out: Annotated[Path, typer.Option("--out", metavar="STORE", help="The store's folder.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to CONFIG.", show_default=False)
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            help="top-k, nucleus, sample or full. By default full for classes of texts or pictures, else top-k."
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("--k", help="Classes a position at most (top-k, nucleus); 64.")] = None,
    p: Annotated[float | None, typer.Option("--p", help="The mass of a nucleus; 0.95.")] = None,
    draws: Annotated[int | None, typer.Option(help="Draws a position (sample); 50.")] = None,
    proposal: Annotated[
        float | None, typer.Option(help="Draw in proportion to probability to this power (sample); 1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draws; 0.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of log-probabilities: fp16 or fp32; fp16.")] = None,
    shard_megabytes: Annotated[float | None, typer.Option(help="Size of a file; 256.")] = None,
    process: Annotated[int, typer.Option(help="Which of --processes this is, from 0.")] = 0,
    processes: Annotated[int, typer.Option(help="How many write the store, each a share of the data.")] = 1,
    device: Annotated[str, typer.Option(help="A torch device; auto takes a GPU if there is one.")] = "auto",
) -> None:
    """Write a store; :data:`HELP` says more."""
    from limbeck.teachers.store.settings import StoreSettings

    asked: dict[str, Any] = {
        "keep": keep,
        "k": k,
        "p": p,
        "draws": draws,
        "proposal": proposal,
        "seed": seed,
        "dtype": dtype,
        "shard_megabytes": shard_megabytes,
    }
    settings = StoreSettings(**{name: value for name, value in asked.items() if value is not None})
    if not 0 <= process < processes:
        raise LimbeckError(f"--process {process}: of {processes} processes; possible: 0 to {processes - 1}")
    from limbeck.distill.config import DistillConfig

    chosen = DistillConfig.read_changed(config, changes or [])
    on = chosen_device(device)
    from limbeck.distill.cache import cache_teacher

    cache_teacher(chosen, out, settings, process=process, processes=processes, device=on)
