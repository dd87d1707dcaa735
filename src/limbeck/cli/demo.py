"""`limbeck demo`: a page on which a trained translator can be tried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.demo.pictures import NearestPictures
    from limbeck.systems.translation.sentences import SentenceTranslator

app = typer.Typer(add_completion=False)

EXAMPLES = 4


@app.command(epilog="Example: limbeck demo runs/mine/ikd/seed-1/model --against runs/mine/text-only/seed-1/model")
def demo(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's folder.")],
    against: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Another model, whose translation is set beside.")
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Multi30k: the photos, features or labels that the model learnt from."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to serve at; others than this machine's are warned of.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes one that is free.")] = 7860,
    beam: Annotated[int, typer.Option(min=1, max=50, help="Hypotheses kept at a time.")] = 5,
    nbest: Annotated[int, typer.Option(min=1, help="Alternatives of each caption.")] = 5,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Try a translator on a page.

    Shows a caption's translation and its alternatives, beside another model's, and the training pictures nearest to
    what the model imagines. Ctrl-C ends it.
    """
    if nbest > beam:
        raise LimbeckError(f"--nbest: got {nbest}, more than the {beam} hypotheses of --beam")

    from limbeck.demo.page import Demo, Part, build_page, load_gradio
    from limbeck.demo.serve import address_of, is_loopback, listen, serve

    load_gradio()
    with listen(host, port) as listener:
        # What takes seconds comes after what may fail at once.
        from limbeck.models.ikd_mmt.search import SearchOptions
        from limbeck.systems.translation.sentences import SentenceTranslator

        options = SearchOptions(beams=beam)
        own = SentenceTranslator.load(model, options)
        other = None if against is None else SentenceTranslator.load(against, options)
        if other is not None and own.handling and other.handling and _pair(own) != _pair(other):
            raise LimbeckError(f"--against: {against} translates {_pair(other)}, and {model} {_pair(own)}")
        found = _pictures(model, own, pictures)
        examples = [] if isinstance(found, str) else found.examples[:EXAMPLES]
        beside = None if against is None or other is None else Part(_name(against), other)
        page = build_page(Demo(Part(_name(model), own), beside, found, nbest, examples))
        if not is_loopback(host):
            warning = f"--host {host}: whoever reaches this machine can use the page; there is no password"
            typer.echo(f"warning: {warning}", err=True)
        typer.echo(f"{address_of(listener)} shows {model}; Ctrl-C ends it.")
        if open_browser:
            typer.launch(address_of(listener))
        serve(page, listener)


def _pair(sentences: SentenceTranslator) -> str:
    handling = sentences.handling
    return "" if handling is None else f"{handling.source} to {handling.target}"


def _name(folder: Path) -> str:
    """The end of a model folder's path that tells models of one run apart, as in ``ikd/seed-1``."""
    parts = folder.resolve().parts
    return "/".join((parts[:-1] if parts[-1] == "model" else parts)[-2:]).lstrip("/")


def _pictures(model: Path, sentences: SentenceTranslator, file: Path | None) -> NearestPictures | str:
    """What finds training pictures, or why there is none; what was asked for by name must be there."""
    from limbeck.demo.origin import NothingToCompareError
    from limbeck.demo.pictures import KeptTeachers, nearest_pictures

    try:
        return nearest_pictures(model, sentences, file, KeptTeachers())
    except LimbeckError as error:
        if file is not None:
            raise
        if isinstance(error, NothingToCompareError):
            return str(error)
        # Visitors need not know where files lie.
        typer.echo(f"warning: no training pictures: {error}", err=True)
        return "Its training pictures cannot be read on this machine."
