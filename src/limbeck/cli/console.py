"""Where results are printed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from limbeck.report.tables import Grid

_WIDTH = 1000
"""Of output that goes to a file or a pipe, where nothing should be folded for a window that is not there."""


def console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for every table where there is none."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)


def show_grid(grid: Grid) -> None:
    """Print a table."""
    console().print(grid.rich())


def show_lines(lines: list[str], style: str = "dim") -> None:
    """Print lines as they are: never folded, so that they can be copied, and never read as markup."""
    out = console()
    for line in lines:
        out.print(line, markup=False, soft_wrap=True, style=style)
