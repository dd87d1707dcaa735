"""`limbeck translate`: sentences in, sentences out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer

from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.systems.translation.sentences import Translation

app = typer.Typer(add_completion=False)

PIPE = Path("-")
WINDOW, WINDOW_CHARACTERS = 2000, 1_000_000
"""Lines, and their characters, that are held at a time: sentences of like length are translated together. Where a pipe
makes a pause, what has come is translated at once."""


@app.command()
def translate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's folder.")],
    text: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Sentences.", show_default=False)] = None,
    source: Annotated[
        Path | None, typer.Option("--input", help="A file, a sentence a line; - is the pipe, as without.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="Where to; standard output by default.")] = None,
    beam: Annotated[int, typer.Option(min=1, help="Hypotheses kept at a time; 1 is greedy search.")] = 5,
    length_penalty: Annotated[float, typer.Option(min=0, help="Above 1 favours long translations.")] = 1.0,
    n_best: Annotated[
        int | None, typer.Option("--n-best", min=1, help="This many of each sentence, with its number before each.")
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Before each: its log-probability over its length to the penalty.")
    ] = False,
    tokenized: Annotated[
        bool, typer.Option("--tokenized", help="The text is lower-cased and tokenised, and shall stay so.")
    ] = False,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Padded source tokens a batch.")] = 4096,
    backend: Annotated[
        Literal["torch", "onnx"], typer.Option(help="What computes; onnx takes a folder of `limbeck export`.")
    ] = "torch",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; torch's choice by default.")] = None,
    device: Annotated[str, typer.Option(help="A torch device.")] = "cpu",
) -> None:
    """Translate with a trained model.

    Sentences come from the arguments, from a file or from a pipe, one a line; each gives one line, in the same order,
    and an empty one stays empty. With --n-best and --scores, columns are parted by tabs.
    """
    if n_best is not None and n_best > beam:
        raise LimbeckError(f"--n-best: got {n_best}, more than the {beam} hypotheses of --beam")
    if not math.isfinite(length_penalty):
        raise LimbeckError(f"--length-penalty: got {length_penalty}, expected a number")
    lines, pausing = _lines(text, source)
    if output is not None and source is not None and output.exists() and source.exists() and output.samefile(source):
        raise LimbeckError(f"--output: {output} is the input")

    import torch

    from limbeck.models.ikd_mmt.search import SearchOptions
    from limbeck.systems.translation.sentences import SentenceTranslator

    if threads is not None:
        torch.set_num_threads(threads)
    options = SearchOptions(beams=beam, length_penalty=length_penalty)
    if backend == "onnx" and device != "cpu":
        raise LimbeckError(f"--device: got {device!r}, but --backend onnx runs on the CPU")
    sentences = SentenceTranslator.load(model, options, backend=backend, device=device, tokenized=tokenized)
    sentences.translator.batch_tokens = batch_tokens
    sentences.translator.warn = lambda message: typer.echo(f"warning: {message}", err=True)

    first = 1
    with _written(output) as out, _bar(text, source, output) as advance:
        for window in _windows(lines, pausing):
            found = sentences.search(window, most=n_best or 1, progress=advance, first=first)
            advance(sum(not best for best in found))
            for number, best in enumerate(found, first):
                rows = _rows(best, number, numbered=n_best is not None, scores=scores)
                out.write("".join(f"{row}\n" for row in rows).encode())
            out.flush()
            first += len(window)


def _lines(text: list[str] | None, source: Path | None) -> tuple[Iterator[str], Callable[[], bool]]:
    """The sentences as they come, from wherever they are, and whether they make a pause; a missing file is refused."""
    from limbeck.cli.pipe import PipeLines
    from limbeck.data.text import decode_lines, iterate_lines

    if text:
        if source is not None:
            raise LimbeckError("give sentences as arguments or by --input, not both")
        # What the shell handed over need not be UTF-8; undecodable bytes are told as those of a file are.
        rows = (row for argument in text for row in argument.encode("utf-8", "surrogateescape").split(b"\n"))
        return decode_lines(rows, "arguments"), _never
    if source is not None and source != PIPE:
        return iterate_lines(source), _never
    if sys.stdin is None or (source is None and sys.stdin.isatty()):
        raise LimbeckError(
            "nothing to translate: give sentences as arguments, --input FILE, or a pipe "
            "(--input - to type them), as in: limbeck translate MODEL 'A dog runs.'"
        )
    pipe = PipeLines(sys.stdin.fileno())
    return decode_lines(pipe, "standard input"), pipe.pausing


def _never() -> bool:
    return False


def _windows(lines: Iterable[str], pausing: Callable[[], bool]) -> Iterator[list[str]]:
    """So many lines at a time; where reading breaks off or pauses, what came before is given first."""
    window: list[str] = []
    characters = 0
    try:
        for line in lines:
            window.append(line)
            characters += len(line)
            if len(window) == WINDOW or characters >= WINDOW_CHARACTERS or pausing():
                yield window
                window, characters = [], 0
    except LimbeckError:
        if window:
            yield window
        raise
    if window:
        yield window


def _rows(best: list[Translation], number: int, *, numbered: bool, scores: bool) -> Iterator[str]:
    """The lines that a sentence gives; an empty sentence gives one, whatever is asked for."""
    if not best:
        yield f"{number}\t" if numbered else ""
    for translation in best:
        columns = [str(number)] if numbered else []
        columns += [f"{translation.score:.4f}"] if scores else []
        yield "\t".join([*columns, translation.text])


def _written(output: Path | None) -> AbstractContextManager[IO[bytes]]:
    if output is None:
        return nullcontext(sys.stdout.buffer)
    try:
        return output.open("wb")
    except OSError as error:
        raise LimbeckError(f"--output: cannot write {output}: {error.strerror}") from None


@contextmanager
def _bar(text: list[str] | None, source: Path | None, output: Path | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where it is seen and neither input nor output are what one looks at."""
    typed = not text and source in (None, PIPE) and sys.stdin.isatty()
    if text or typed or not sys.stderr.isatty() or (output is None and sys.stdout.isatty()):
        yield lambda done: None
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeElapsedColumn())
    # Standard output stays its own: rich would send it where the bar is.
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, refresh_per_second=4) as bar:
        shown = bar.add_task("", total=_count(source), rate="")

        def advance(done: int) -> None:
            task = bar.tasks[0]
            rate = (task.completed + done) / max(task.elapsed or 0.0, 1e-9)
            bar.update(shown, advance=done, rate=f"{rate:,.0f} sentences/s")

        yield advance


def _count(source: Path | None) -> int | None:
    """The lines of a plain file; unknown for anything else."""
    if source is None or not source.is_file() or source.suffix == ".gz":
        return None
    with source.open("rb") as file:
        return sum(1 for _ in file)
