"""`limbeck sites`: which module's output a method may compare."""

from __future__ import annotations

from typing import Annotated

import typer

from limbeck.errors import LimbeckError

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: limbeck sites google/vit-base-patch16-224 --find encoder --depth 4")
def sites(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, or a name on the Hub.")],
    task: Annotated[
        str, typer.Option(help="List the model as `limbeck distill` loads it for this task.", show_default=False)
    ] = "",
    depth: Annotated[int, typer.Option(min=1, help="Show modules so deep at most, as dots count.")] = 4,
    find: Annotated[str, typer.Option(help="Only paths that contain this.", show_default=False)] = "",
    plain: Annotated[bool, typer.Option("--plain", help="Paths alone, one a line.")] = False,
) -> None:
    """List a model's modules with the shapes of what they give.

    Their paths are what methods are told (`method: {name: hidden, ...}`). Only the model's configuration is read.
    """
    from limbeck.distill.models import CLASSES
    from limbeck.errors import near_matches
    from limbeck.models.sites import fits
    from limbeck.models.sites import sites as listed

    known = {str(name): kind for name, kind in CLASSES.items()}
    if task and task not in known:
        raise LimbeckError(f"--task: no task {task!r}; {near_matches(task, known)}")
    try:
        found = listed(model, known.get(task))
    except LimbeckError as error:
        others = [name for name, kind in known.items() if name != task and fits(model, kind)]
        raise LimbeckError(f"{error}; possible: --task {' or '.join(others)}" if others else str(error)) from None
    shown = [site for site in found if site.path.count(".") < depth and find in site.path]
    if not shown:
        raise LimbeckError(f"{model}: none of {len(found)} modules; try a greater --depth or another --find")
    if plain:
        for site in shown:
            typer.echo(site.path)
        return
    from limbeck.cli.console import show_grid
    from limbeck.report.tables import Grid

    rows = [
        (site.path, site.kind, "" if site.shape is None else ", ".join(map(str, site.shape)), f"{site.parameters:,}")
        for site in shown
    ]
    show_grid(Grid(f"{len(shown)} of {len(found)} modules", ("path", "module", "output", "parameters"), tuple(rows), 3))
