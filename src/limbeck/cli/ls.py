"""`limbeck ls`: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from limbeck.errors import LimbeckError, near_matches

app = typer.Typer(add_completion=False)


@app.command()
def ls(
    domain: Annotated[str, typer.Option(help="Only the systems of this domain.")] = "",
    plain: Annotated[bool, typer.Option("--plain", help="Slugs alone, one a line.")] = False,
) -> None:
    """List the systems of the catalogue."""
    from limbeck.systems.cards import cards

    known = list(cards().values())
    domains = sorted({card.domain for card in known})
    if domain and domain not in domains:
        raise LimbeckError(f"no domain {domain!r}; {near_matches(domain, domains)}")
    shown = [card for card in known if not domain or card.domain == domain]
    if plain:
        for card in shown:
            typer.echo(card.slug)
        return

    from rich import box
    from rich.table import Table

    from limbeck.cli.console import console

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("system", style="bold cyan", no_wrap=True)
    table.add_column("domain", no_wrap=True)
    table.add_column("year", no_wrap=True)
    table.add_column("paper")
    for card in sorted(shown, key=lambda card: (card.domain, card.slug)):
        table.add_row(card.slug, card.domain, str(card.year), card.title)
    out = console()
    out.print(table)
    out.print(f"{len(shown)} system{'' if len(shown) == 1 else 's'}. `limbeck show SYSTEM` tells more.")
