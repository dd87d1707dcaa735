"""`limbeck compare`: methods by their names, with one budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.device import chosen_device
from limbeck.cli.run import carry_out, default_folder, report_findings
from limbeck.errors import LimbeckError, near_matches

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: limbeck compare logits:temperature=4 dkd logits+nd:weight=0.5 --student resnet,vit --seeds 3"
)
def compare(
    methods: Annotated[
        list[str], typer.Argument(metavar="METHOD...", help="NAME, NAME:SETTING=VALUE,..., or several with + between.")
    ],
    data: Annotated[str, typer.Option(help="world, cifar10 or fashion-mnist.")] = "world",
    data_dir: Annotated[str, typer.Option(help="The folder of real data.", show_default=False)] = "",
    teacher: Annotated[str, typer.Option(help="The family of the teacher: resnet, vit or mixer.")] = "resnet",
    student: Annotated[str, typer.Option(help="That of the student; several with commas between.")] = "resnet",
    labels: Annotated[
        float, typer.Option(min=0, help="Weight of the labels, in every arm; at 0 none learns from them alone.")
    ] = 1.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Of every arm.", show_default=False)] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings of every arm.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed; the others count up from it.")] = 1,
    scale: Annotated[str, typer.Option(help="smoke (seconds), default, or full.")] = "default",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; runs/compare-TIME by default.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="A torch device; auto takes a GPU if there is one.")] = "auto",
) -> None:
    """Compare methods with one another and with labels alone: the same student, pictures and steps for each.

    Every method of `limbeck.methods` that works on classes or features can be named, one's own as well.
    """
    from typing import get_args

    from limbeck.systems.lab import Lab, as_scale
    from limbeck.systems.vision import compare as vision
    from limbeck.systems.vision.data import DataName

    if data not in get_args(DataName):
        raise LimbeckError(f"--data: no data {data!r}; {near_matches(data, get_args(DataName))}")
    lab = Lab(
        seeds=tuple(range(seed, seed + seeds)),
        scale=as_scale(scale),
        device=chosen_device(device),
        out=out or default_folder("compare"),
    )
    options = {
        "arms": methods,
        "data": data,
        "data_dir": data_dir,
        "teacher": teacher,
        "students": student.split(","),
        "label_weight": labels,
        "steps": steps,
        "workers": workers,
    }
    findings = carry_out(lab, "compare", vision.compare, options)
    findings.system = "compare"
    report_findings(findings, lab.out, title=f"Methods compared on {data}")
