"""`limbeck train`: one translator on one's own text and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limbeck.cli.device import chosen_device
from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.systems.translation.config import TranslatorConfig
    from limbeck.systems.translation.corpus import Corpus
    from limbeck.systems.translation.pictures import Pictures

app = typer.Typer(add_completion=False)


HELP = """Train a translator on your own text, and on pictures that belong to it.

CONFIG names parallel text, a sentence a line, and optionally files with a picture's path a line:

\b
  pair: en-de
  arm: ikd              # or text-only, imagination, ...
  train: {source: train.en, target: train.de, pictures: train.pictures}
  val: {source: val.en, target: val.de}
  tests: {test: {source: test.en, target: test.de}}
  recipe: {vocab_size: 4000, plan: {epochs: 20}}

The model translates without pictures. The run's folder gets model, hypotheses, metrics.json and config.yaml.
"""


@app.command(help=HELP, epilog="Example: limbeck train captions.yaml recipe.plan.epochs=30 --out runs/captions")
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; its paths are relative to it.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to it.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; the model is in its folder 'model'.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in --out.")] = False,
    device: Annotated[str, typer.Option(help="A torch device; auto takes a GPU if there is one.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")] = False,
) -> None:
    """Train one translator; :data:`HELP` says more."""
    if out is None and not dry_run:
        raise LimbeckError("--out is missing: the folder for the model and all else (or give --dry-run)")
    from limbeck.systems.translation.config import TranslatorConfig

    chosen = TranslatorConfig.read_changed(config, changes or [])
    source = chosen.pictures()

    from limbeck.cli.console import show_lines
    from limbeck.systems.lab import Lab
    from limbeck.systems.translation.pictures import load_pictures, unseen_pictures
    from limbeck.systems.translation.training import Trained, train_arm
    from limbeck.training.resume import FREE
    from limbeck.training.run_folder import RunFolder

    on = chosen_device(device)
    spec = chosen.corpus()
    corpus = spec.read()
    if dry_run or out is None:
        _preview(chosen, corpus, None if source is None else unseen_pictures(source, chosen.recipe))
        return
    asked = chosen.model_dump(mode="json", exclude={"environment"})
    RunFolder(out, resume=resume).refuse_other(asked, free=[f"recipe.plan.{name}" for name in FREE])
    if Trained.load(out) is None:
        lab = Lab(out=out)
        pictures = None if source is None else load_pictures(lab, source, spec, corpus, chosen.recipe)
        lab.say(f"{chosen.chosen_arm().title}: {len(corpus.train):,} training sentences, {on}, in {out}")
        train_arm(
            chosen.chosen_arm(),
            corpus,
            pictures,
            chosen.recipe,
            out,
            seed=chosen.seed,
            device=on,
            resume=True,
            progress=True,
            asked=asked,
            start=chosen.start_from,
        )
    _show_scores(out)
    show_lines([f"\nTranslate with: limbeck translate {out / 'model'} 'A sentence.'"], style="")


def _preview(config: TranslatorConfig, corpus: Corpus, pictures: Pictures | None) -> None:
    """What would be trained, as tables."""
    from limbeck.cli.console import show_grid
    from limbeck.report.tables import Grid
    from limbeck.systems.translation.prepare import prepare

    recipe = config.recipe
    ready = prepare(config.chosen_arm(), corpus, pictures, recipe, config.seed, config.start_from)
    steps = recipe.plan.steps_in_all(len(ready.train.loader(recipe.batch_tokens, seed=config.seed)))
    rows = []
    for name, part in {"train": corpus.train, "val": corpus.val, **corpus.tests}.items():
        tokens = [sum(map(len, ready.tokenizer(lines).input_ids)) for lines in (part.source, part.target)]
        shown = sum(number >= 0 for number in part.pictures)
        rows.append((name, *(f"{count:,}" for count in (len(part), *tokens, shown))))
    source, target = corpus.pair.split("-")
    header = ("split", "sentences", f"tokens {source}", f"tokens {target}", "with picture")
    show_grid(Grid("Text", header, tuple(rows)))
    sizes = ready.parameters()
    facts = {
        "vocabulary": len(ready.tokenizer),
        "parameters of the translator": sizes["translator"],
        "parameters of the generator": sizes["generator"],
        "parameters at inference": sizes["model"],
        "steps": steps or 0,
    }
    show_grid(Grid(config.chosen_arm().title, ("", "count"), tuple((name, f"{n:,}") for name, n in facts.items())))
    if steps is not None and recipe.plan.warmup >= steps:
        typer.echo(f"warning: the warm-up ({recipe.plan.warmup} steps) is as long as the training ({steps})", err=True)


def _show_scores(out: Path) -> None:
    import json

    from limbeck.cli.console import show_grid, show_lines
    from limbeck.report.tables import Grid

    tests = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["tests"]
    metrics = {name: one for found in tests.values() for name, one in found["metrics"].items()}
    header = ("test", "segments", *(name + ("" if one["higher_is_better"] else " ↓") for name, one in metrics.items()))
    rows = [
        (name, f"{found['segments']:,}", *(_estimate(found["metrics"][metric]) for metric in metrics))
        for name, found in tests.items()
    ]
    show_grid(Grid("Scores with 95% intervals", header, tuple(rows)))
    show_lines([f"{name}: {one['signature']}" for name, one in metrics.items()])


def _estimate(one: dict[str, Any]) -> str:
    return f"{one['value']:.2f} [{one['low']:.2f}, {one['high']:.2f}]"
