"""`limbeck show`: one system's card."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def show(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="A slug of `limbeck ls`, or a file.")],
) -> None:
    """Show a system's card: paper, claim, description and options."""
    from limbeck.cli.console import console
    from limbeck.cli.options import options_table
    from limbeck.systems.cards import find

    card = find(system)
    out = console()
    out.print(f"[bold cyan]{card.slug}[/] · {card.domain} · {card.year}")
    out.print(card.title, style="bold", markup=False)
    if card.url:
        out.print(card.url, style="blue", markup=False)
    if card.claim:
        out.print(f"\nClaim: {card.claim}", markup=False)
    if card.description:
        out.print(f"\n{card.description}", markup=False)
    if card.needs:
        out.print(f"\nReads from the models: {', '.join(card.needs)}", markup=False)
    out.print(f"\nFile: {card.path}", markup=False, soft_wrap=True)
    out.print(options_table(card))
