"""`limbeck`: the verbs, each imported when it is used, and one place where errors become exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any, NoReturn

import typer
import typer.core
import typer.main

import limbeck
from limbeck.errors import LimbeckError

VERBS = {
    "ls": "List the systems of the catalogue.",
    "show": "Show a system's card: paper, claim, options.",
    "run": "Run a system and judge its claims.",
    "compare": "Compare methods by their names, with one budget.",
    "cp": "Copy a system's file, to be edited and run.",
    "distill": "Distil your own teacher into your own student, on your own data.",
    "validate": "Check a configuration for distill.",
    "sites": "List a model's modules with the shapes of what they give.",
    "train": "Train a translator from a configuration file.",
    "cache": "Run a teacher over your data once, and keep what it says.",
    "evaluate": "Score translations, and compare two systems.",
    "translate": "Translate with a trained model.",
    "report": "Show runs as one page.",
    "demo": "Try a translator on a page.",
    "export": "Export a translator to ONNX.",
    "world": "Look into the invented world.",
}
"""Each verb is a module here with a typer application named `app`; this is what `limbeck --help` says of it."""


class _Verbs(typer.core.TyperGroup):
    """A group that lists its verbs from the table above, and imports a verb's module when the verb is used."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, text in VERBS.items():
            self.add_command(typer.core.TyperCommand(name, help=text))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        if name is None or listed is None:
            return name, listed, rest
        command = typer.main.get_command(importlib.import_module(f"limbeck.cli.{name}").app)
        command.name = name
        command.help = command.help or listed.help
        return name, command, rest


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    help="Distil knowledge from one model into another: from big to small, from one modality into another.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"limbeck {limbeck.__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options that come before the verb; both are dealt with before this is called."""


def main() -> NoReturn:
    """Run the command line and exit: 0 ok, 1 failure, 2 user's mistake, 130 interrupted."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Run one command line in this process.

    Args:
        arguments: What stands after `limbeck`.

    Returns:
        The exit code.
    """
    debug = "--debug" in arguments
    if debug:
        # Wherever it stands: it is typed again at the end of a line that failed.
        arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        typer.main.get_command(app).main(args=arguments, prog_name="limbeck")
    except SystemExit as stop:
        return _flushed(stop.code if isinstance(stop.code, int) else int(stop.code is not None))
    except KeyboardInterrupt:
        return 130
    except LimbeckError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if debug or error.strerror is None:
            raise
        print(f"error: {error.strerror}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1
    return _flushed(0)


def _flushed(code: int) -> int:
    """Flush now: a reader that has gone (`limbeck ls | head`) must not become a message at interpreter exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
