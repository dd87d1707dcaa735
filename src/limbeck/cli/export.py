"""`limbeck export`: a translator as ONNX graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's folder.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write, new or empty.")],
) -> None:
    """Export a translator to ONNX.

    Writes encoder.onnx, decoder_step.onnx and what else `limbeck translate --backend onnx` needs, after the graphs were
    run and compared with PyTorch.
    """
    from limbeck.models.ikd_mmt.onnx_export import TOLERANCE, export_onnx

    difference = export_onnx(model, out)
    typer.echo(
        f"{out}: logits differ from PyTorch's by at most {difference:.1e} of the largest (allowed: {TOLERANCE:.0e})"
    )
