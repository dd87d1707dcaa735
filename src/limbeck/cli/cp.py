"""`limbeck cp`: a system's file as a start for one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.errors import LimbeckError

app = typer.Typer(add_completion=False)


@app.command()
def cp(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="A slug of `limbeck ls`.")],
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: a file that ends in .py, or a folder.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Copy a system's file, to be edited and run."""
    from limbeck.systems.cards import find

    card = find(system)
    target = to / card.path.name if to.is_dir() else to
    if target.suffix != ".py":
        raise LimbeckError(f"{target} must end in .py, so that `limbeck run` can run it")
    if target.exists() and not force:
        raise LimbeckError(f"{target} is there already; --force overwrites it")
    if not target.parent.is_dir():
        raise LimbeckError(f"no such folder: {target.parent}")
    target.write_text(card.path.read_text(encoding="utf-8"), encoding="utf-8")
    shown = str(target) if target.is_absolute() else f"./{target}"
    typer.echo(f"copied {card.slug} to {shown}; run it with: limbeck run {shown}")
