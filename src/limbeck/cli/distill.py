"""`limbeck distill`: one's own teacher, student and data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limbeck.cli.device import chosen_device
from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.distill.preview import Preview
    from limbeck.distill.run import Distilled

app = typer.Typer(add_completion=False)

HELP = """Distil your own teacher into a smaller student, on your own data.

CONFIG names task, teacher, student, data and method:

\b
  task: causal-lm            # or seq2seq, sequence-classification, token-classification, embedding,
                             # image-classification
  teacher: my-teacher        # a folder, or a name on the Hub
  student: {layers: 6}       # six of its layers; or a name; or {config: {num_hidden_layers: 2}}
  data: {train: train.jsonl, val: val.jsonl, max_length: 256}
  method: {name: logits, divergence: forward_kl, temperature: 2.0}
  cross_entropy: 0.5
  plan: {lr: 1.0e-4, epochs: 3}

The run's folder gets config.yaml, log.jsonl, metrics.json, checkpoints and the student in 'model', which transformers
alone can load.
"""


@app.command(
    help=HELP, epilog="Example: limbeck distill small.yaml method.temperature=3 plan.max_steps=500 --out runs/small"
)
def distill(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; its paths are relative to it.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to it.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; the student is in its folder 'model'.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in --out.")] = False,
    device: Annotated[str, typer.Option(help="A torch device; auto takes a GPU if there is one.")] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show sizes, memory, tokens, steps and time of what would be done.")
    ] = False,
) -> None:
    """Distil; :data:`HELP` says more."""
    if out is None and not dry_run:
        raise LimbeckError("--out is missing: the folder for the student and all else (or give --dry-run)")
    from limbeck.distill.config import DistillConfig

    chosen = DistillConfig.read_changed(config, changes or [])
    on = chosen_device(device)
    if dry_run or out is None:
        from limbeck.distill.preview import preview

        _show_preview(preview(chosen, on))
        return
    from limbeck.distill.run import distill as distil
    from limbeck.training.device import accelerator_on
    from limbeck.training.run_folder import forgotten_if_refused

    with forgotten_if_refused(out):
        done = distil(chosen, out, resume=resume, accelerator=accelerator_on(on))
    _show(done)


def _show_preview(would: Preview) -> None:
    from limbeck.cli.console import show_grid
    from limbeck.report.tables import Grid

    models = [(name, f"{size.parameters:,}", f"{size.trained:,}") for name, size in would.models.items()]
    facts = [
        *((f"{what} an epoch", f"{number:,}") for what, number in would.amounts.items()),
        ("steps", f"{would.steps:,}"),
        ("memory, estimated", f"{would.memory / 2**30:.2f} GiB"),
        ("time of a step, measured", f"{would.step_seconds:.2f} s"),
        ("time in all, estimated", f"{would.steps * would.step_seconds / 60:.1f} min"),
    ]
    show_grid(Grid("Models", ("", "parameters", "that learn"), tuple(models)))
    show_grid(Grid("Training", ("", "amount"), tuple(facts)))


def _show(done: Distilled) -> None:
    from limbeck.cli.console import show_grid, show_lines
    from limbeck.report.tables import Grid

    names = list(dict.fromkeys(name for one in done.metrics.values() for name in one))
    rows = [(name, *(f"{one[name]:.4f}" if name in one else "" for one in done.metrics.values())) for name in names]
    show_grid(Grid("Held-out rows", ("metric", *done.metrics), tuple(rows)))
    show_lines([f"\nThe student: {done.model}"], style="")
