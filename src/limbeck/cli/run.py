"""`limbeck run`: a system, its tables and its verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.systems.findings import Findings
    from limbeck.systems.lab import Lab

app = typer.Typer(add_completion=False)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="A system's own options follow as --name value; `limbeck run SYSTEM --help` lists them.",
)
def run(
    context: typer.Context,
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="A slug of `limbeck ls`, or a file.")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings of every arm.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed; the others count up from it.")] = 1,
    scale: Annotated[str, typer.Option(help="smoke (seconds), default, or full.")] = "default",
    out: Annotated[Path | None, typer.Option(help="The run's folder; runs/SYSTEM-TIME by default.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that is in --out; it may get more seeds.")
    ] = False,
    device: Annotated[str, typer.Option(help="A torch device; auto takes a GPU if there is one.")] = "auto",
    show_help: Annotated[bool, typer.Option("--help", "-h", help="Show this message and exit.")] = False,
) -> None:
    """Run a system and judge its claims.

    Writes config.yaml, metrics.json, the statistics of every item, results.md and plots into the run's folder.
    """
    if show_help or not system:
        _help(context, system)
    if system.startswith("-"):
        raise LimbeckError(f"name the system first: limbeck run SYSTEM {system} ...")

    from limbeck.cli.device import chosen_device
    from limbeck.cli.options import parse_options
    from limbeck.systems.options import at_least
    from limbeck.systems.registry import load

    if resume and out is None:
        raise LimbeckError("--resume needs --out, the folder of the run to go on with")
    chosen = load(system)
    options = {**chosen.defaults(), **parse_options(chosen, context.args)}
    at_least(1, workers=options.get("workers"))  # told later, it would come after the teachers

    from limbeck.systems.lab import Lab, as_scale

    lab = Lab(
        seeds=tuple(range(seed, seed + seeds)),
        scale=as_scale(scale),
        device=chosen_device(device),
        out=out or default_folder(chosen.card.slug),
        resume=resume,
    )
    called = chosen.card.slug if system == chosen.card.slug else str(chosen.card.path)
    findings = carry_out(lab, called, chosen.run, options)
    findings.system = findings.system or chosen.card.slug
    report_findings(findings, lab.out, title=f"{chosen.card.slug}: {chosen.card.title}")


def carry_out(lab: Lab, name: str, work: Callable[..., Findings], options: Mapping[str, Any]) -> Findings:
    """Do what a lab is for, in its folder, which tells what was asked for and refuses to go on with anything else.

    Args:
        lab: Seeds, scale, device and folder.
        name: What is run.
        work: Is called with the lab and the options.
        options: What else decides the result.
    """
    from pydantic_core import to_jsonable_python

    from limbeck.training.run_folder import RunFolder, environment, forgotten_if_refused

    with forgotten_if_refused(lab.out):
        folder = RunFolder(lab.out, resume=lab.resume)
        config = {
            "system": name,
            # How many workers share the work has no part in what comes of it, so a run may go on with others.
            "options": to_jsonable_python({key: value for key, value in options.items() if key != "workers"}),
            "seeds": list(lab.seeds),
            "scale": lab.scale,
        }
        folder.refuse_other(config, free=("seeds",))  # each is trained by itself: a run may go on with more of them
        folder.write_config({**config, "device": lab.device, "environment": environment()})
        lab.say(f"{name}: seeds {', '.join(map(str, lab.seeds))}, {lab.scale}, {lab.device}, in {lab.out}")
        return work(lab, **options)


def _help(context: typer.Context, system: str) -> None:
    """The verb's help, then the options of the system where one is named."""
    typer.echo(context.get_help())
    if system:
        from limbeck.cli.console import console
        from limbeck.cli.options import options_table
        from limbeck.systems.cards import find

        console().print(options_table(find(system)))
    raise typer.Exit(0 if context.params["show_help"] else 2)


def report_findings(findings: Findings, path: Path, *, title: str) -> None:
    """Write what was found into a run's folder, as files, tables and plots, and show it."""
    from limbeck.cli.console import show_grid, show_lines
    from limbeck.report import plots, tables
    from limbeck.training.run_folder import RunFolder

    findings.save(path)
    (path / "results.md").write_text(tables.markdown(findings, title=title), encoding="utf-8")
    plots.write(findings, path / "plots")
    logs = {
        file.parent.relative_to(path).as_posix(): RunFolder(file.parent, resume=True).rows() for file in _logs(path)
    }
    if logs:
        plots.curves(logs, path / "plots" / "training.png")
    for grid in tables.grids(findings):
        show_grid(grid)
    show_lines(tables.notes(findings))
    show_lines([f"\nWritten to {path}"], style="")


def _logs(path: Path) -> list[Path]:
    return sorted(path.rglob("log.jsonl"))


def default_folder(slug: str) -> Path:
    """A folder in `runs` that is named after a system and the time, and does not exist yet."""
    stem = f"{slug}-{datetime.now():%Y%m%d-%H%M%S}"
    path, again = Path("runs") / stem, 1
    while path.exists():
        again += 1
        path = Path("runs") / f"{stem}-{again}"
    return path
