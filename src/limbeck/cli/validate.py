"""`limbeck validate`: is this configuration possible? Without loading any weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: limbeck validate small.yaml method.temperature=3")
def validate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file for `limbeck distill`.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to it.", show_default=False)
    ] = None,
) -> None:
    """Check a configuration for `limbeck distill`: keys, values, method, files, columns and lengths."""
    from limbeck.distill.config import DistillConfig
    from limbeck.distill.validate import validated

    for line in validated(DistillConfig.read_changed(config, changes or [])):
        typer.echo(line)
