"""`limbeck evaluate`: score translations, and compare two systems."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.evaluation.compare import Evaluation

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    hypotheses: Annotated[Path, typer.Option(help="What the system said, one segment a line.")],
    references: Annotated[Path, typer.Option(help="What it should have said, line by line.")],
    baseline: Annotated[Path | None, typer.Option(help="Another system's output, to compare with.")] = None,
    sources: Annotated[
        Path | None, typer.Option(help="The source text; checked to pair, so that a shifted file is noticed.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the references; adds METEOR: de, fr, en, ...")] = "",
    lowercase: Annotated[
        bool, typer.Option("--lowercase", help="For BLEU and chrF; TER and METEOR always do.")
    ] = False,
    tokenize: Annotated[str, typer.Option(help="13a, intl, zh, char, or none: tokenised already.")] = "13a",
    samples: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score translations, and compare two systems.

    BLEU, chrF, TER (and METEOR of a language) with their signatures and bootstrap intervals over the segments;
    with a baseline also paired differences and p-values.
    """
    from limbeck.data.text import check_parallel, read_lines
    from limbeck.evaluation.compare import evaluate_texts, text_metrics

    if not 0 < level < 1:
        raise LimbeckError(f"--level: got {level}, expected a number between 0 and 1")
    metrics = text_metrics(lowercase=lowercase, tokenize=tokenize, language=language)
    wanted = read_lines(references, what="references")
    said = read_lines(hypotheses, what="hypotheses")
    check_parallel(said, hypotheses, wanted, references)
    other = None
    if baseline is not None:
        other = read_lines(baseline, what="baseline")
        check_parallel(other, baseline, wanted, references)
    if sources is not None:
        check_parallel(read_lines(sources, what="sources"), sources, wanted, references)
    for warning in _warnings(said, wanted, tokenize):
        typer.echo(f"warning: {warning}", err=True)
    found = evaluate_texts(metrics, said, wanted, baseline=other, samples=samples, seed=seed, level=level)
    if as_json:
        typer.echo(json.dumps(_plain(found, len(said)), indent=2, ensure_ascii=False))
    else:
        _show(found, len(said), level, samples)


def _warnings(said: list[str], wanted: list[str], tokenize: str) -> list[str]:
    """What makes a score likely to be something else than it seems."""
    found = []
    if said == wanted:
        found.append("the hypotheses are the references, line for line")
    for what, lines in (("hypotheses", said), ("references", wanted)):
        if blank := sum(not line.strip() for line in lines):
            found.append(f"{blank} of {len(lines)} {what} are empty")
    if tokenize != "none" and sum(line.endswith((" .", " !", " ?")) for line in wanted) > len(wanted) / 2:
        found.append("the references look tokenised already; --tokenize none takes them as they are")
    return found


def _plain(found: list[Evaluation], segments: int) -> dict[str, Any]:
    return {
        "segments": segments,
        "metrics": {
            one.metric.name: {
                "signature": one.metric.signature,
                "higher_is_better": one.metric.higher_is_better,
                **dataclasses.asdict(one.interval),
                **({"comparison": dataclasses.asdict(one.comparison)} if one.comparison else {}),
            }
            for one in found
        },
    }


def _show(found: list[Evaluation], segments: int, level: float, samples: int) -> None:
    from limbeck.cli.console import show_grid, show_lines
    from limbeck.report.tables import Grid, p_value

    rows: list[tuple[str, ...]] = []
    for one in found:
        name = one.metric.name + ("" if one.metric.higher_is_better else " ↓")
        score = f"{one.interval.value:.2f}"
        if one.comparison is None:
            rows.append((name, score, f"[{one.interval.low:.2f}, {one.interval.high:.2f}]"))
        else:
            c = one.comparison
            difference = f"[{c.low:+.2f}, {c.high:+.2f}]"
            rows.append((name, score, f"{c.b:.2f}", f"{c.difference:+.2f}", difference, p_value(c.p_value)))
    paired = found[0].comparison is not None
    header: tuple[str, ...] = ("metric", "score", f"{level:.0%} interval")
    if paired:
        header = ("metric", "score", "baseline", "difference", f"{level:.0%} interval", "p")
    show_grid(Grid(f"{segments:,} segments", header, tuple(rows)))
    how = "paired bootstrap over segments, two-sided p" if paired else "bootstrap over segments"
    signatures = [f"{one.metric.name}: {one.metric.signature}" for one in found]
    show_lines([*signatures, f"Intervals: {how}, {samples:,} samples."])
