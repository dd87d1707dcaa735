"""`limbeck world`: look at the invented world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.errors import LimbeckError

app = typer.Typer(
    help="Look at the invented world: its pictures, its captions and its ambiguous words.",
    no_args_is_help=True,
    add_completion=False,
)

_MOST = 400  # scenes on one sheet

Seed = Annotated[int, typer.Option(help="Another seed is another world.")]


@app.command(
    epilog="Example: limbeck world show --split ambiguous --count 12 --boxes --out scenes.png",
)
def show(
    split: Annotated[str, typer.Option(help="train, val, test or ambiguous.")] = "train",
    count: Annotated[int, typer.Option(help="How many scenes.")] = 12,
    start: Annotated[int, typer.Option(help="Number of the first scene.")] = 0,
    seed: Seed = 0,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels, as a model would see them.")] = 32,
    boxes: Annotated[bool, typer.Option("--boxes", help="Draw the boxes and name the kinds.")] = False,
    out: Annotated[Path, typer.Option(help="The PNG file to write.")] = Path("scenes.png"),
) -> None:
    """Write a contact sheet of scenes with their captions in three languages."""
    from limbeck.world import World
    from limbeck.world.sheet import contact_sheet

    if not 1 <= count <= _MOST:
        raise LimbeckError(f"--count must lie between 1 and {_MOST}, got {count}")
    if out.suffix.lower() != ".png":
        raise LimbeckError(f"--out must name a .png file, got {str(out)!r}")
    try:
        scenes = World(seed=seed, image_size=size).scenes(split, start=start, count=count)
    except ValueError as error:
        raise LimbeckError(str(error)) from None
    sheet = contact_sheet(scenes, boxes=boxes)
    try:
        sheet.save(out)
    except OSError as error:
        raise LimbeckError(f"cannot write {str(out)!r}: {error.strerror or error}") from None
    typer.echo(str(out))


@app.command(epilog="Example: limbeck world words --language fr")
def words(
    language: Annotated[str, typer.Option(help="de or fr.")] = "de",
    seed: Seed = 0,
) -> None:
    """List the ambiguous words, their translations, and how often the text alone settles them."""
    from rich import box
    from rich.table import Table

    from limbeck.cli.console import console
    from limbeck.world import World

    sample = 20_000
    try:
        rows = World(seed=seed).ambiguity_report(language, sample_size=sample)
    except ValueError as error:
        raise LimbeckError(str(error)) from None
    table = Table(box=box.SIMPLE_HEAD, caption=f"Counted over the first {sample:,} sentences of train.")
    for name in ("word", "senses", "translations"):
        table.add_column(name, style="bold cyan" if name == "word" else None)
    for name in ("settled by the text", "sentences"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.word,
            ", ".join(row.senses),
            ", ".join(row.translations),
            f"{row.share_settled_by_text:.0%}",
            str(row.train_count),
        )
    console().print(table)
