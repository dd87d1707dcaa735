"""`limbeck report`: runs as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.errors import LimbeckError

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: limbeck report runs --out gallery.html")
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of `limbeck run` or `train`, or folders of these.")
    ],
    out: Annotated[Path, typer.Option(help="The page; an earlier one is replaced.")] = Path("gallery.html"),
) -> None:
    """Show runs as one page.

    Claims with their verdicts, scores, budgets, training curves and settings in one HTML file that needs no network.
    A run below a named folder that cannot be read is left out with a warning.
    """
    if out.is_dir():
        raise LimbeckError(f"--out: {out} is a folder; expected a file such as {out / 'gallery.html'}")
    if out.exists() and not _is_page(out):
        raise LimbeckError(f"--out: {out} exists and is no HTML page; it is not replaced")

    from limbeck.report import gallery
    from limbeck.report.runs import read_runs
    from limbeck.systems.cards import cards

    found = read_runs(runs, lambda line: typer.echo(f"warning: {line}", err=True))
    gallery.write(found, out, cards())
    typer.echo(f"{len(found)} run{'s' * (len(found) > 1)} written to {out}")


def _is_page(path: Path) -> bool:
    """Whether a file is a page of ours or of others; a slip of the keyboard must not cost a run's files."""
    with path.open("rb") as file:
        return file.read(200).lstrip().lower().startswith((b"<!doctype html", b"<html"))
